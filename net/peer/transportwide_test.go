package peer

import (
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/congestion"
	"gasso/net/packet"
	"gasso/net/signaling"
)

// The whole way through pion: a performer's packets are numbered, the other side tells when they came, and
// what either side does without is not sent.
func TestTransportWideThroughPion(t *testing.T) {
	a, b, p := publishing(t)
	eventually(t, "negotiated track", func() bool { return len(p.bound.Load().tracks) == 1 })
	stop := flow(p, 9)
	defer stop()
	eventually(t, "feedback", func() bool {
		link := a.link.Congestion()
		return link != nil && link.Report(time.Now()).AckedBPS > 10_000
	})
	r := a.link.Congestion().Report(time.Now())
	if r.Loss > 0.01 || r.Queue > 20*time.Millisecond || p.Counters(a.link).BadFeedback != 0 {
		t.Errorf("a link without limits reports %+v", r)
	}
	if b.link.Congestion() != nil {
		t.Error("the side that sends nothing numbers packets")
	}
	b.mu.Lock()
	sub := b.subs[0]
	b.mu.Unlock()
	ceases := func(what string) {
		sent := p.Counters(a.link).Sent
		eventually(t, what, func() bool {
			before := sent
			time.Sleep(20 * time.Millisecond)
			sent = p.Counters(a.link).Sent
			return sent == before
		})
	}
	resumes := func(what string) {
		sent := p.Counters(a.link).Sent
		eventually(t, what, func() bool { return p.Counters(a.link).Sent > sent+5 })
	}
	p.Rest(a.link, true)
	ceases("a link that rests")
	p.Rest(a.link, false)
	resumes("packets after the rest")
	sub.Decline(10 * time.Second)
	ceases("a link whose receiver does without")
	sub.Decline(0)
	resumes("packets when they are wanted again")
	sub.Decline(300 * time.Millisecond)
	ceases("a link whose receiver does without for a moment")
	resumes("packets by themselves")
}

func TestServerNumbersNothing(t *testing.T) {
	l := &Link{cfg: LinkConfig{LocalID: signaling.ServerID}}
	var w wideSender
	w.bind(l, wideNegotiated())
	if w.link != nil || l.Congestion() != nil {
		t.Error("the server numbers what it forwards")
	}
}

// Whatever is in a compound packet, the rest of it is kept and nothing panics.
func FuzzTransportWideReports(f *testing.F) {
	f.Add([]byte{0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1, 0})
	f.Add([]byte{0x80, 201, 0, 1, 0, 0, 0, 1, 0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1, 0, 0x20, 1, 4, 0})
	f.Fuzz(func(t *testing.T, compound []byte) {
		l := &Link{}
		l.wide.get().Sent(100, time.Unix(1e9, 0))
		n := len(compound)
		rest, err := l.takeWide(compound, time.Unix(1e9, 1))
		if len(rest) > n || err == nil && len(rest)%4 != 0 {
			t.Errorf("%d of %d bytes are left", len(rest), n)
		}
	})
}

func wideNegotiated() []webrtc.RTPHeaderExtensionParameter {
	return []webrtc.RTPHeaderExtensionParameter{{URI: congestion.ExtensionURI, ID: 2}}
}

func TestStampingAndTellingAllocateLittle(t *testing.T) {
	p := NewPublisher("anna")
	var got []int64
	r := newReception(func(pk *packet.Packet, _ time.Time) { got = append(got[:0], pk.Number) })
	r.wide.id = 2
	track := pipe(t, p, r, func(*rtp.Header) bool { return false })
	track.wide.bind(track.link, wideNegotiated())
	pk := makePacket(1, 0)
	if n := testing.AllocsPerRun(500, func() {
		if err := p.Write(pk); err != nil {
			t.Fatal(err)
		}
		pk.Number++
		for len(r.feedback) > 0 {
			<-r.feedback
		}
	}); n > 0 {
		t.Errorf("%v allocations for each packet", n)
	}
	if track.link.Congestion() == nil {
		t.Error("nothing was numbered")
	}
}

// Whoever declines a track says for how long, whatever happens to this side's wall clock meanwhile.
func TestADeclineEndsAlthoughTheWallClockIsSetBack(t *testing.T) {
	track := newLocalTrack(NewPublisher("anna"), &Link{})
	declined := time.Now()
	track.now = func() time.Time { return setBack(declined.Add(4 * time.Second)) }
	if !track.decline([]byte{0, 0, 0x0b, 0xb8}, declined) { // 3 s
		t.Fatal("the wish was refused")
	}
	if track.idle() {
		t.Error("declined for 3 s, and still silent after 4 s")
	}
	track.now = func() time.Time { return setBack(declined.Add(2 * time.Second)) }
	if !track.idle() {
		t.Error("declined for 3 s, and not silent after 2 s")
	}
}

// setBack is a moment on a machine whose wall clock was set back by an hour: only its monotonic reading tells.
func setBack(at time.Time) time.Time {
	const secondsShift = 30 // of time.Time's first word, where there is a monotonic reading
	*(*uint64)(unsafe.Pointer(&at)) -= 3600 << secondsShift
	return at
}
