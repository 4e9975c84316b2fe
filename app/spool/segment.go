package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"

	"gasso/net/backfill"
	"gasso/net/packet"
)

const (
	segmentSuffix   = ".spool"
	mostSegment     = 8 << 20
	leastSegment    = 64 << 10
	segmentsInLimit = 16
	chunkPackets    = 64
	readAtMost      = 64 << 20 // of a file that somebody made longer
)

// store is the spool's files. The caller holds Spool.files; what lives know of chunks is under Spool.mu.
type store struct {
	root     *os.Root
	limit    int64
	segments []*segment // oldest first
	file     segmentFile
	next     int // number of the next segment
	total    int64
	dirty    bool // not synced

	create func(name string) (segmentFile, error)
	open   func(name string) (segmentReader, error)

	cached *chunk // that cache holds, as long as it was then
	upTo   int64
	cache  []byte
}

// segmentFile is what a store needs of the file that it writes.
type segmentFile interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// segmentReader is what a store needs of a file that it reads.
type segmentReader interface {
	io.ReaderAt
	io.Closer
}

// segment is one file. The last of a store is the one that is written, while store.file is there.
type segment struct {
	number int
	size   int64
	chunks []*chunk
}

// chunk is where in a file some packets of one publication lie, by number.
type chunk struct {
	life        *life
	segment     *segment
	first, last int64 // numbers; some between them may be missing
	offset, end int64
	packets     int
}

func newStore(root *os.Root, limit int64) *store {
	s := &store{root: root, limit: limit}
	s.create = func(name string) (segmentFile, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	s.open = func(name string) (segmentReader, error) { return root.Open(name) }
	return s
}

func segmentName(number int) string { return fmt.Sprintf("%08d%s", number, segmentSuffix) }

// segmentNumber reads the number of a segment's name; false for any other file.
func segmentNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	number, err := strconv.Atoi(digits)
	return number, ok && err == nil && number >= 0 && segmentName(number) == name
}

// found lists the segments that an earlier run left, oldest first.
func (s *store) found() ([]int, error) {
	dir, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var numbers []int
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	if len(numbers) > 0 {
		s.next = numbers[len(numbers)-1] + 1
	}
	return numbers, err
}

// load reads a whole segment of an earlier run, or as much as there is before an error.
func (s *store) load(number int) ([]byte, error) {
	f, err := s.open(segmentName(number))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, readAtMost))
}

// add takes a segment of an earlier run that was loaded, before those of this one.
func (s *store) add(number int, data []byte) *segment {
	seg := &segment{number: number, size: int64(len(data))}
	at := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].number > number })
	s.segments = slices.Insert(s.segments, at, seg)
	s.total += seg.size
	return seg
}

func (s *store) segmentBytes() int64 {
	return min(max(s.limit/segmentsInLimit, leastSegment), mostSegment)
}

// ready opens a segment that has room, and returns its number.
func (s *store) ready() (int, error) {
	if s.file != nil && s.last().size >= s.segmentBytes() {
		s.finish()
	}
	if s.file != nil {
		return s.last().number, nil
	}
	f, err := s.create(segmentName(s.next))
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			s.next++
		}
		return 0, fmt.Errorf("make a file: %w", err)
	}
	s.file = f
	s.segments = append(s.segments, &segment{number: s.next})
	s.next++
	return s.last().number, nil
}

func (s *store) last() *segment { return s.segments[len(s.segments)-1] }

// finish ends the segment that is written.
func (s *store) finish() {
	if s.file == nil {
		return
	}
	_ = s.sync()
	_ = s.file.Close()
	s.file = nil
}

func (s *store) sync() error {
	if s.file == nil || !s.dirty {
		return nil
	}
	s.dirty = false
	return s.file.Sync()
}

// write appends whole records. After an error what was written of them is gone, or left behind in a
// segment that is not continued, where readers pass over it.
func (s *store) write(b []byte) (at int64, err error) {
	seg := s.last()
	at = seg.size
	if _, err = s.file.Write(b); err == nil {
		s.dirty = true
		seg.size += int64(len(b))
		s.total += int64(len(b))
		return at, nil
	}
	_ = s.file.Truncate(at)
	s.finish()
	if at == 0 && s.remove(seg) == nil {
		s.segments = s.segments[:len(s.segments)-1]
	}
	return 0, fmt.Errorf("write: %w", err)
}

// remove deletes a segment's file.
func (s *store) remove(seg *segment) error {
	if s.cached != nil && s.cached.segment == seg {
		s.cached = nil
	}
	if err := s.root.Remove(segmentName(seg.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.total -= seg.size
	return nil
}

// place notes a packet of a segment at offset to end.
func (seg *segment) place(l *life, number, offset, end int64) {
	if n := len(seg.chunks); n > 0 {
		if c := seg.chunks[n-1]; c.life == l && c.packets < chunkPackets && c.last < number {
			c.last, c.end = number, end
			c.packets++
			return
		}
	}
	c := &chunk{life: l, segment: seg, first: number, last: number, offset: offset, end: end, packets: 1}
	seg.chunks = append(seg.chunks, c)
	at := sort.Search(len(l.chunks), func(i int) bool { return l.chunks[i].first > number })
	l.chunks = slices.Insert(l.chunks, at, c)
}

// chunkFrom finds the first chunk that may hold a number or one above it.
func (l *life) chunkFrom(number int64) *chunk {
	at := sort.Search(len(l.chunks), func(i int) bool { return l.chunks[i].last >= number })
	if at == len(l.chunks) {
		return nil
	}
	return l.chunks[at]
}

// find reads the packet of a chunk with the lowest number at or above from; its payload is borrowed
// until the next call. An error says nothing about what the file holds.
func (s *store) find(c *chunk, from int64, p *packet.Packet) (bool, error) {
	if err := s.fetch(c); err != nil {
		return false, err
	}
	for rest := s.cache; ; {
		body, _, end := nextRecord(rest)
		if body == nil {
			return false, nil
		}
		rest = rest[end:]
		if readPacket(body, p) && p.Number >= from && p.Publication == c.life.about.Publication {
			return true, nil
		}
	}
}

// fetch brings a chunk into the cache: nothing of a file that is gone, less of one that was cut.
func (s *store) fetch(c *chunk) error {
	if s.cached == c && s.upTo == c.end {
		return nil
	}
	s.cached, s.cache = nil, s.cache[:0]
	f, err := s.open(segmentName(c.segment.number))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s.cache = slices.Grow(s.cache, int(c.end-c.offset))[:c.end-c.offset]
	n, err := f.ReadAt(s.cache, c.offset)
	if s.cache = s.cache[:n]; err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.cached, s.upTo = c, c.end
	return nil
}

// overlaps tells whether any number of r is in the set.
func overlaps(set *backfill.Set, r backfill.Range) bool {
	ranges := set.Ranges()
	at := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last >= r.First })
	return at < len(ranges) && ranges[at].First <= r.Last
}

// needed tells whether the segment holds anything that is still kept.
func (seg *segment) needed() bool {
	return slices.ContainsFunc(seg.chunks, func(c *chunk) bool {
		return overlaps(&c.life.kept, backfill.Range{First: c.first, Last: c.last})
	})
}

// forget takes the segment's chunks from their publications.
func (seg *segment) forget() {
	done := map[*life]bool{}
	for _, c := range seg.chunks {
		if !done[c.life] {
			c.life.chunks = slices.DeleteFunc(c.life.chunks, func(other *chunk) bool { return other.segment == seg })
			done[c.life] = true
		}
	}
}
