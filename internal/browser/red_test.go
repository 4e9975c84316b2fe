package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/audio/audiotest"
	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/redundancy"
)

//go:embed caller.html
var callerPage []byte

const (
	opusType     = 111
	redType      = 63
	calledFrame  = 480             // samples of what the caller gets, 10 ms
	browserFrame = 960             // samples of what a browser sends
	calledFor    = 6 * time.Second // of the caller's time
	sampleRate   = packet.SampleRate
)

// answerer takes one caller's redundant audio apart, after throwing each tenth packet away, and sends
// a tone of which each tenth packet is left out.
type answerer struct {
	t      *testing.T
	copies int
	pc     *webrtc.PeerConnection
	track  *webrtc.TrackLocalStaticRTP

	connected chan struct{}
	sent      chan struct{} // the last packet is out
	heard     chan struct{} // the caller's track has ended

	// Of the goroutine that hears.
	redundant, plain, thrown, malformed, undecodable int
	came, repaired                                   map[uint32]bool // by time stamp
}

func newAnswerer(t *testing.T, copies int) *answerer {
	t.Helper()
	media := &webrtc.MediaEngine{}
	red := webrtc.RTPCodecCapability{MimeType: "audio/red", ClockRate: sampleRate, Channels: 2, SDPFmtpLine: "111/111"}
	plain := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: sampleRate, Channels: 2, SDPFmtpLine: "useinbandfec=1;stereo=1"}
	for _, codec := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: red, PayloadType: redType}, {RTPCodecCapability: plain, PayloadType: opusType},
	} {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
			t.Fatal(err)
		}
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	setting.SetLite(true) // the browser finds the way
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(setting))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	kind := red
	if copies == 0 {
		kind = plain
	}
	track, err := webrtc.NewTrackLocalStaticRTP(kind, "audio", "answerer")
	if err != nil {
		t.Fatal(err)
	}
	a := &answerer{
		t: t, copies: copies, pc: pc, track: track, connected: make(chan struct{}), sent: make(chan struct{}), heard: make(chan struct{}),
		came: map[uint32]bool{}, repaired: map[uint32]bool{},
	}
	if _, err := pc.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		defer close(a.heard)
		a.hear(remote)
	})
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(a.connected) })
		}
	})
	return a
}

// ServeHTTP is the caller's page and what it asks for.
func (a *answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(callerPage)
	case "/call":
		offer, err := io.ReadAll(r.Body)
		var answer string
		if err == nil {
			answer, err = a.answer(string(offer))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, answer)
	case "/end":
		select {
		case <-a.sent:
		case <-r.Context().Done():
		}
	default:
		w.WriteHeader(http.StatusNoContent) // the icon
	}
}

func (a *answerer) answer(offer string) (string, error) {
	gathered := webrtc.GatheringCompletePromise(a.pc)
	if err := a.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := a.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	if err := a.pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return a.pc.LocalDescription().SDP, nil
}

// talk sends a tone in real time.
func (a *answerer) talk(ctx context.Context) error {
	defer close(a.sent)
	select {
	case <-a.connected:
	case <-ctx.Done():
		return ctx.Err()
	}
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 96000, FrameSamples: calledFrame, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		return err
	}
	defer encoder.Close()
	var history redundancy.History
	var copies redundancy.Copies
	tone, payload := audiotest.Tone(660, -12, sampleRate, 2), make([]byte, 1275)
	start := time.Now()
	for n := int64(0); n < int64(calledFor/(10*time.Millisecond)); n++ {
		time.Sleep(time.Until(start.Add(time.Duration(n) * 10 * time.Millisecond)))
		at := n * calledFrame % sampleRate * 2
		size, err := encoder.Encode(tone[at:at+2*calledFrame], payload)
		if err != nil {
			return err
		}
		p := &packet.Packet{Number: n, FirstSample: n * calledFrame, Samples: calledFrame, Payload: payload[:size]}
		history.Add(p)
		if n%10 == 9 {
			continue // its sequence number is missing too
		}
		out := rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: p.Timestamp()}, // low bits
			Payload: history.Pack(nil, &copies, p, opusType, a.copies, 1),
		}
		switch {
		case a.copies == 0:
			out.Payload = p.Payload
		case len(out.Payload) == 0:
			out.Payload = append([]byte{opusType}, p.Payload...) // RED without a copy
		}
		if err := a.track.WriteRTP(&out); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
	}
	return nil
}

// hear takes apart what comes until the call ends.
func (a *answerer) hear(remote *webrtc.TrackRemote) {
	decoder, err := opus.NewDecoder(2)
	if err != nil {
		a.t.Error(err)
		return
	}
	defer decoder.Close()
	pcm := make([]float32, 2*5760)
	for {
		p, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		if len(p.Payload) == 0 {
			continue // padding, with which a browser probes what the network can take
		}
		if p.PayloadType != redType {
			a.plain++
			continue
		}
		if a.redundant++; a.redundant%10 == 0 {
			a.thrown++
			continue
		}
		err = redundancy.Unpack(p.Payload, func(offset int, block []byte) {
			if samples, err := decoder.Decode(pcm, block); err != nil || samples != browserFrame || offset%browserFrame != 0 {
				a.undecodable++
			}
			at := p.Timestamp - uint32(offset)
			if offset > 0 && !a.came[at] {
				a.repaired[at] = true
			}
			a.came[at] = true
		})
		if err != nil {
			a.malformed++
		}
	}
}

// counted is what the caller's browser counted.
type counted struct {
	PacketsReceived, PacketsLost, ConcealedSamples, TotalSamplesReceived int
}

func (c *counted) concealed() float64 {
	return float64(c.ConcealedSamples) / float64(max(1, c.TotalSamplesReceived))
}

// call has Chromium call an answerer.
func call(t *testing.T, copies int) (*answerer, counted) {
	t.Helper()
	a := newAnswerer(t, copies)
	server := httptest.NewServer(a)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	talked := make(chan error, 1)
	go func() { talked <- a.talk(ctx) }()
	report, err := Run(ctx, Visit{
		URL: server.URL + "/", Press: []string{"#start"}, State: "done", TimeoutMS: 90000,
		Flags: []string{"--allow-loopback-in-peer-connection"},
	})
	cancel()
	if err := errors.Join(<-talked, a.pc.GracefulClose()); err != nil {
		t.Error(err)
	}
	server.Close()
	if err != nil {
		t.Fatal(err)
	}
	if report.Error != "" || len(report.Problems) > 0 {
		t.Fatalf("Chromium: %s %v", report.Error, report.Problems)
	}
	select {
	case <-a.heard:
	case <-t.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("Chromium sent nothing; it counted %s", report.Text)
	}
	var c counted
	if err := json.Unmarshal([]byte(regexp.MustCompile(`\{.*\}`).FindString(report.Text)), &c); err != nil {
		t.Fatalf("%v in %q", err, strings.TrimSpace(report.Text))
	}
	return a, c
}

// Chromium's redundant audio comes apart, and what was thrown away comes back from the copies; ours
// spares Chromium the concealment that the same loss costs without.
func TestRedundancyWithChromium(t *testing.T) {
	a, with := call(t, 1)
	_, without := call(t, 0)
	t.Logf("from Chromium: %d redundant packets, %d plain, %d thrown away, %d frames repaired", a.redundant, a.plain, a.thrown, len(a.repaired))
	t.Logf("to Chromium, each tenth packet left out: concealed %.2f %% with copies, %.2f %% without (%+v, %+v)",
		100*with.concealed(), 100*without.concealed(), with, without)
	if a.redundant < 200 || a.plain > 0 || a.malformed > 0 || a.undecodable > 0 {
		t.Errorf("of Chromium's packets %d redundant, %d plain, %d malformed, %d blocks undecodable", a.redundant, a.plain, a.malformed, a.undecodable)
	}
	if len(a.repaired) < a.thrown-1 { // the last may have been thrown away
		t.Errorf("%d of %d packets thrown away came back", len(a.repaired), a.thrown)
	}
	if err := gapless(a.came); err != nil {
		t.Error(err)
	}
	if with.PacketsReceived < 500 || without.PacketsReceived < 500 {
		t.Fatalf("Chromium received %d and %d packets of 540", with.PacketsReceived, without.PacketsReceived)
	}
	if without.concealed() < 0.05 || with.concealed() > without.concealed()/2 {
		t.Errorf("Chromium concealed %.2f %% with copies, %.2f %% without", 100*with.concealed(), 100*without.concealed())
	}
}

// gapless tells whether frames follow each other from the first to the last.
func gapless(came map[uint32]bool) error {
	for at := range came {
		if !came[at+browserFrame] && came[at+2*browserFrame] {
			return fmt.Errorf("a frame is missing behind time stamp %d", at)
		}
	}
	return nil
}
