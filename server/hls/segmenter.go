package hls

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

const (
	trackID          = 1
	playlistVersion  = 7 // EXT-X-MAP without I-frames-only needs 6, fMP4 7
	maxRetiredFactor = 3 // retired segments kept at most, in lists
)

// rendition is one encoding of the program, as playlists and files name it.
type rendition struct {
	name, codec string
	rfc6381     string // the CODECS attribute
	peakBPS     int    // upper bound of any segment's bitrate
	averageBPS  int
	format      codecs.Codec
}

var (
	renditionAAC = rendition{name: "aac128", codec: "aac", rfc6381: "mp4a.40.2", peakBPS: 160000, averageBPS: 132000,
		format: &codecs.MPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{
			Type: mpeg4audio.ObjectTypeAACLC, SampleRate: sampleRate, ChannelConfig: channels}}}
	renditionOpus = rendition{name: "opus", codec: "opus", rfc6381: "opus", peakBPS: 192000, averageBPS: 134000,
		format: &codecs.Opus{ChannelCount: channels}}
)

// frame is one coded frame.
type frame struct {
	payload    []byte
	samples    int64
	roomSample int64 // room time of its first decoded sample
}

// part is a closed piece of a segment with its own movie fragment (RFC 8216bis, 3.1). There is one in
// each segment as long as partSamples is a whole segment.
type part struct {
	payload []byte
	samples int64
}

// segment is finished and never changes, except for retiredAt, which the segmenter alone reads.
type segment struct {
	sequence      int64
	payload       []byte
	samples       int64
	roomSample    int64
	discontinuity bool
	retiredAt     time.Time // when it left the list
}

// openSegment is the segment that frames go to.
type openSegment struct {
	segment
	parts   []part
	samples []*fmp4.Sample // of the part that is still open
	filled  int64          // samples in it
}

// snapshot is what the handler serves; it never changes.
type snapshot struct {
	multivariant []byte
	media        []byte
	init         []byte
	segments     []*segment // retired and listed, without holes in the sequence
	ended        bool
	published    time.Time
}

// segmenter makes parts of frames, segments of parts, and a snapshot of each finished segment. One
// goroutine owns it; current and status may be read from any.
type segmenter struct {
	epoch          int64
	what           rendition
	listSize       int
	grace          time.Duration
	segmentSamples int64
	partSamples    int64
	now            func() time.Time

	multivariant, init []byte
	snapshot           atomic.Pointer[snapshot]
	published          atomic.Int64
	nextSequence       atomic.Int64

	open            *openSegment
	discontinuous   bool   // the next frame does not continue the one before
	fragment        uint32 // number of the next movie fragment
	mediaSamples    int64  // decode time of the next part
	runSamples      int64  // samples of this run so far
	runEnd          int64  // where in the run the open segment ends
	discontinuities int64  // that have left the list
	retired, listed []*segment
}

func newSegmenter(cfg Config, what rendition) (*segmenter, error) {
	s := &segmenter{epoch: cfg.Epoch, what: what, listSize: cfg.ListSize, now: cfg.now,
		// RFC 8216, 6.2.2: a removed segment stays for its own duration and that of the longest list.
		grace:          time.Duration(cfg.ListSize+1) * cfg.SegmentDuration,
		segmentSamples: int64(cfg.SegmentDuration) * sampleRate / int64(time.Second),
		discontinuous:  cfg.FirstSequence > 0,
	}
	s.partSamples = s.segmentSamples * 2 // low latency cuts here; until then a part is a segment
	s.nextSequence.Store(cfg.FirstSequence)
	var buf seekablebuffer.Buffer
	head := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: trackID, TimeScale: sampleRate, Codec: what.format}}}
	if err := head.Marshal(&buf); err != nil {
		return nil, fmt.Errorf("write init segment: %w", err)
	}
	s.init = buf.Bytes()
	var err error
	s.multivariant, err = playlist.Multivariant{Version: playlistVersion, IndependentSegments: true,
		Variants: []*playlist.MultivariantVariant{{Bandwidth: what.peakBPS, AverageBandwidth: &what.averageBPS,
			Codecs: []string{what.rfc6381}, URI: strconv.FormatInt(cfg.Epoch, 10) + "/" + what.name + ".m3u8"}},
	}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("write multivariant playlist: %w", err)
	}
	return s, nil
}

// current returns what is to be served, nil before the first segment.
func (s *segmenter) current() *snapshot { return s.snapshot.Load() }

func (s *segmenter) status() Status {
	st := Status{Codec: s.what.codec, Segments: s.published.Load(), NextSequence: s.nextSequence.Load()}
	if now := s.current(); now != nil {
		st.LastSegment = now.published
	}
	return st
}

// startRun tells that the next frame does not continue the last one.
func (s *segmenter) startRun() {
	s.closeSegment()
	s.discontinuous = s.discontinuous || s.published.Load() > 0
	s.runSamples, s.runEnd = 0, s.segmentSamples
}

// append adds a frame; published tells that this finished the segment with number sequence.
func (s *segmenter) append(f frame) (sequence int64, published bool) {
	if s.open != nil && s.runSamples >= s.runEnd {
		sequence, published = s.closeSegment()
		s.runEnd += s.segmentSamples
	}
	if s.open == nil {
		s.open = &openSegment{segment: segment{sequence: s.nextSequence.Load(), roomSample: f.roomSample,
			discontinuity: s.discontinuous}}
		s.discontinuous = false
	}
	s.open.samples = append(s.open.samples, &fmp4.Sample{Duration: uint32(f.samples), Payload: f.payload})
	s.open.filled += f.samples
	s.runSamples += f.samples
	if s.open.filled >= s.partSamples {
		s.closePart()
	}
	return sequence, published
}

// closePart turns the frames of the open part into a movie fragment.
func (s *segmenter) closePart() {
	o := s.open
	if len(o.samples) == 0 {
		return
	}
	var buf seekablebuffer.Buffer
	err := fmp4.Part{SequenceNumber: s.fragment, Tracks: []*fmp4.PartTrack{{ID: trackID,
		BaseTime: uint64(s.mediaSamples), Samples: o.samples}}}.Marshal(&buf) // never negative
	if err != nil {
		panic(fmt.Sprintf("hls: write movie fragment to memory: %v", err))
	}
	o.parts = append(o.parts, part{payload: buf.Bytes(), samples: o.filled})
	s.fragment++
	s.mediaSamples += o.filled
	o.samples, o.filled = nil, 0
}

// closeSegment publishes the open segment, if there is one.
func (s *segmenter) closeSegment() (sequence int64, published bool) {
	if s.open == nil {
		return 0, false
	}
	s.closePart()
	done := s.open.segment
	payloads := make([][]byte, 0, len(s.open.parts))
	for _, p := range s.open.parts {
		payloads = append(payloads, p.payload)
		done.samples += p.samples
	}
	done.payload = bytes.Join(payloads, nil)
	s.open = nil
	s.listed = append(s.listed, &done)
	s.nextSequence.Store(done.sequence + 1)
	s.published.Add(1)
	s.retire()
	s.publish(false)
	return done.sequence, true
}

// retire takes segments off the list, and drops those whose grace time is over.
func (s *segmenter) retire() {
	now := s.now()
	for len(s.listed) > s.listSize {
		old := s.listed[0]
		old.retiredAt = now
		if old.discontinuity {
			s.discontinuities++
		}
		s.listed, s.retired = slices.Delete(s.listed, 0, 1), append(s.retired, old)
	}
	n := max(0, len(s.retired)-maxRetiredFactor*s.listSize)
	for n < len(s.retired) && now.Sub(s.retired[n].retiredAt) > s.grace {
		n++
	}
	s.retired = slices.Delete(s.retired, 0, n)
}

// publish replaces the snapshot.
func (s *segmenter) publish(ended bool) {
	snap := &snapshot{multivariant: s.multivariant, init: s.init, ended: ended, published: s.now(),
		segments: slices.Concat(s.retired, s.listed)}
	gone := int(s.discontinuities)
	media := playlist.Media{Version: playlistVersion, IndependentSegments: true, TargetDuration: s.targetSeconds(),
		MediaSequence: int(s.listed[0].sequence), DiscontinuitySequence: &gone,
		Map: &playlist.MediaMap{URI: s.what.name + "_init.mp4"}, Endlist: ended}
	for _, seg := range s.listed {
		at := timeOf(seg.roomSample)
		media.Segments = append(media.Segments, &playlist.MediaSegment{Duration: durationOf(seg.samples),
			DateTime: &at, Discontinuity: seg.discontinuity, URI: segmentName(s.what, seg.sequence)})
	}
	text, err := media.Marshal()
	if err != nil {
		panic(fmt.Sprintf("hls: write playlist to memory: %v", err))
	}
	snap.media = text
	s.snapshot.Store(snap)
}

// targetSeconds is the longest segment, rounded (RFC 8216, 4.3.3.1).
func (s *segmenter) targetSeconds() int {
	return int((s.segmentSamples + sampleRate/2) / sampleRate)
}

// end publishes what is open and the end of the playlist.
func (s *segmenter) end() {
	s.closeSegment()
	if len(s.listed) > 0 {
		s.publish(true)
	}
}

func segmentName(what rendition, sequence int64) string {
	return what.name + "_" + strconv.FormatInt(sequence, 10) + ".m4s"
}
