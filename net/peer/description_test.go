package peer

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

const sdpHead = "v=0\r\no=- 1 42 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
const sdpOpus = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n"

func TestCheckDescription(t *testing.T) {
	for _, c := range []struct {
		name, kind, sdp string
		want            error
	}{
		{"opus", "offer", sdpHead + sdpOpus, nil},
		{"opus and RED", "offer", sdpHead + sdpOpus + "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n", nil},
		{"RED alone", "offer", sdpHead + "m=audio 9 UDP/TLS/RTP/SAVPF 63\r\na=rtpmap:63 red/48000/2\r\n", ErrNotAudio},
		{"several", "answer", sdpHead + strings.Repeat(sdpOpus, maxMediaLines), nil},
		{"rejected section", "answer", sdpHead + sdpOpus + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n", nil},
		{"too many sections", "offer", sdpHead + strings.Repeat(sdpOpus, maxMediaLines+1), ErrBadSignal},
		{"video", "offer", sdpHead + sdpOpus + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", ErrNotAudio},
		{"data channel", "offer", sdpHead + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", ErrNotAudio},
		{"nothing", "offer", sdpHead, ErrNotAudio},
		{"other codec", "offer", sdpHead + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n", ErrNotAudio},
		{"mono opus", "offer", sdpHead + "m=audio 9 UDP/TLS/RTP/SAVPF 9\r\na=rtpmap:9 opus/48000\r\n", ErrNotAudio},
		{"not SDP", "offer", "hello", ErrBadSignal},
		{"empty", "offer", "", ErrNotAudio},
		{"too large", "offer", sdpHead + sdpOpus + strings.Repeat("a=x\r\n", 20000), ErrBadSignal},
		{"rollback", "rollback", sdpHead + sdpOpus, ErrBadSignal},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := checkDescription(&signaling.Description{Type: c.kind, SDP: c.sdp}, false)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && got.version != 42 {
				t.Errorf("version %d", got.version)
			}
		})
	}
}

func TestAnswerNamesItsOffer(t *testing.T) {
	marked := markAnswer(sdpHead+sdpOpus, 77)
	got, err := checkDescription(&signaling.Description{Type: "answer", SDP: marked}, false)
	if err != nil || !got.isReply || got.answers != 77 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzCheckDescription(f *testing.F) {
	f.Add("offer", sdpHead+sdpOpus)
	f.Add("answer", markAnswer(sdpHead+sdpOpus, 1))
	f.Add("offer", sdpHead+"m=video 0 a b\r\n")
	f.Fuzz(func(t *testing.T, kind, text string) {
		if _, err := checkDescription(&signaling.Description{Type: kind, SDP: text}, false); err == nil {
			if !strings.Contains(strings.ToLower(text), "audio") {
				t.Error("accepted without audio")
			}
		} else if !errors.Is(err, ErrBadSignal) && !errors.Is(err, ErrNotAudio) {
			t.Errorf("error without a kind: %v", err)
		}
	})
}

func TestBadSignalsLeaveTheLinkAsItWas(t *testing.T) {
	a, b, p := publishing(t)
	id := a.link.ID()
	offer := func(link, sdp string) *signaling.Signal {
		return &signaling.Signal{Link: link, Description: &signaling.Description{Type: "offer", SDP: sdp}}
	}
	answer := func(link, sdp string) *signaling.Signal {
		return &signaling.Signal{Link: link, Description: &signaling.Description{Type: "answer", SDP: sdp}}
	}
	for _, c := range []struct {
		name string
		to   *side
		s    *signaling.Signal
		want error
	}{
		{"empty", b, &signaling.Signal{Link: id}, ErrBadSignal},
		{"video", b, offer(id, sdpHead+"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"), ErrNotAudio},
		{"offer to the offerer", a, offer(id, sdpHead+sdpOpus), ErrBadSignal},
		{"answer to the answerer", b, answer(id, sdpHead+sdpOpus), ErrBadSignal},
		{"offer of another connection", b, offer("other", sdpHead+sdpOpus), ErrStartOver},
		{"offer with another certificate", b, offer(id, sdpHead+sdpOpus+"a=fingerprint:sha-256 00\r\n"), ErrStartOver},
		{"answer of another connection", a, answer("other", sdpHead+sdpOpus), nil},
		{"answer without an offer", a, answer(id, sdpHead+sdpOpus), nil},
		{"wish of another connection", a, &signaling.Signal{Link: "other", Renegotiate: &signaling.Renegotiate{}}, nil},
		{"wish without a connection", a, &signaling.Signal{Renegotiate: &signaling.Renegotiate{Restart: true}}, ErrStartOver},
		{"wish from the offerer", b, &signaling.Signal{Link: id, Renegotiate: &signaling.Renegotiate{}}, ErrBadSignal},
		{"candidate of another connection", b, &signaling.Signal{Link: "other", Candidate: &signaling.Candidate{Candidate: "candidate:x"}}, nil},
		{"malformed candidate", b, &signaling.Signal{Link: id, Candidate: &signaling.Candidate{Candidate: "candidate:x"}}, ErrBadSignal},
		{"overlong candidate", b, &signaling.Signal{Link: id, Candidate: &signaling.Candidate{Candidate: strings.Repeat("x", 600)}}, ErrBadSignal},
	} {
		if err := c.to.link.Handle(c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets", func() bool { return b.count("anna") > 5 })
}

func TestCandidateFloodIsBounded(t *testing.T) {
	a, _ := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	var err error
	for i := range maxCandidates + 1 {
		if err != nil {
			t.Fatalf("candidate %d: %v", i, err)
		}
		err = a.link.Handle(&signaling.Signal{Link: a.link.ID(), Candidate: &signaling.Candidate{
			Candidate: fmt.Sprintf("candidate:%d 1 udp 1 127.0.0.1 %d typ host", i, 20000+i),
		}})
	}
	if !errors.Is(err, ErrBadSignal) {
		t.Errorf("error %v", err)
	}
}

func TestMethodsOfAClosedLinkSayIt(t *testing.T) {
	f := newFactory(t, Config{})
	a, _ := connect(t, f, f)
	if err := a.link.Close(); err != nil {
		t.Fatal(err)
	}
	p := NewPublisher("anna")
	for name, err := range map[string]error{
		"negotiate": a.link.Negotiate(), "restart": a.link.Restart(), "attach": p.AttachTo(a.link),
		"handle": a.link.Handle(&signaling.Signal{Renegotiate: &signaling.Renegotiate{}}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.DetachFrom(a.link)
	if s := a.link.Stats(); s.State != StateClosed {
		t.Errorf("state %s", s.State)
	}
	if a.state() != StateClosed {
		t.Errorf("last state told is %s", a.state())
	}
}

// Whatever a closed link is given, the answer is that it is closed: what is wrong with a signal no
// longer matters.
func TestAClosedLinkRefusesEverySignalAlike(t *testing.T) {
	f := newFactory(t, Config{})
	a, _ := connect(t, f, f)
	if err := a.link.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*signaling.Signal{
		"nothing": {}, "malformed": {Description: &signaling.Description{Type: "offer", SDP: "x"}},
		"long candidate": {Candidate: &signaling.Candidate{Candidate: strings.Repeat("x", maxCandidateBytes+1)}},
	} {
		if err := a.link.Handle(s); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALinkThatTheOtherSideEndedStartsOver(t *testing.T) {
	a, b := connect(t, newFactory(t, Config{}), newFactory(t, Config{}))
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connection", func() bool { return a.state() == StateConnected && b.state() == StateConnected })
	if err := b.link.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end", a.link.isOver)
	err := a.link.Handle(&signaling.Signal{Link: a.link.ID(), Renegotiate: &signaling.Renegotiate{}})
	if !errors.Is(err, ErrStartOver) {
		t.Errorf("a wish after the end: %v", err)
	}
}

// Trickled or inline, in one description or in many: pion keeps every candidate until an ICE restart.
func TestCandidatesAreBoundedOverAllDescriptions(t *testing.T) {
	var l Link
	with := func(user string, first int) description {
		d := description{iceUser: user}
		for i := range maxWays / 2 {
			d.candidates = append(d.candidates, fmt.Sprint(first+i))
		}
		return d
	}
	take := func(d description) (err error) {
		ways, err := l.waysWith(d)
		if err == nil {
			l.ways, l.iceUser = ways, d.iceUser
		}
		return err
	}
	for i, c := range []struct {
		user  string
		first int
		ok    bool
	}{
		{"a", 0, true}, {"a", 0, true}, {"a", 1000, true}, {"a", 2000, false}, {"a", 1000, true}, {"b", 2000, true}, {"b", 3000, true}, {"b", 0, false},
	} {
		if err := take(with(c.user, c.first)); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrBadSignal) {
			t.Errorf("description %d: %v", i, err)
		}
	}
	if err := l.addCandidate(webrtc.ICECandidateInit{Candidate: "candidate:one more"}); !errors.Is(err, ErrBadSignal) {
		t.Errorf("one more: %v", err)
	}
}

func TestWhereTheOtherSideMayBe(t *testing.T) {
	for address, want := range map[string]bool{
		"192.0.2.7": true, "192.168.1.5": true, "10.0.0.1": true, "2001:db8::1": true, "fd00::1": true,
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "::ffff:127.0.0.1": false, "169.254.169.254": false, "fe80::1": false,
		"0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false,
	} {
		if got := mayBeRemote(net.ParseIP(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}
