package peer

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gasso/net/signaling"
)

// ear is a channel's callbacks, and what they heard.
type ear struct {
	mu       sync.Mutex
	channel  *Channel
	opened   int
	closed   int
	messages [][]byte
	on       func(*Channel, []byte) // instead of keeping
}

func (e *ear) config(name string, id uint16, reliable bool) ChannelConfig {
	return ChannelConfig{
		Name: name, ID: id, Reliable: reliable,
		OnOpen: func(c *Channel) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.channel = c
			e.opened++
		},
		OnMessage: func(c *Channel, m []byte) {
			e.mu.Lock()
			e.messages = append(e.messages, bytes.Clone(m))
			e.mu.Unlock()
			if e.on != nil {
				e.on(c, m)
			}
		},
		OnClose: func(*Channel) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.closed++
		},
	}
}

func (e *ear) open() *Channel {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.channel
}

func (e *ear) counts() (opened, closed int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opened, e.closed
}

func (e *ear) heard() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.messages)
}

func (e *ear) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed == 1
}

// connectChannels is connect with channels, and waits for the connection.
func connectChannels(t *testing.T, ofA, ofB []ChannelConfig) (a, b *side) {
	t.Helper()
	a, b = connectWith(t, newFactory(t, Config{}), newFactory(t, Config{}), ofA, ofB)
	lie := func(m *signaling.Signal) bool { // a sender that does not keep to what this side takes
		if m.Description != nil {
			m.Description.SDP = strings.ReplaceAll(m.Description.SDP, "a=max-message-size:16384", "a=max-message-size:65536")
		}
		return true
	}
	b.filter.Store(&lie)
	if err := a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	connected(t, a, b)
	return a, b
}

func eventuallyOpen(t *testing.T, ears ...*ear) {
	t.Helper()
	for _, e := range ears {
		eventually(t, "open channel", func() bool { return e.open() != nil })
	}
}

func TestChannelsOpenOnBothSidesAndSurviveARestart(t *testing.T) {
	var clockA, clockB, fillA, fillB ear
	a, b := connectChannels(t,
		[]ChannelConfig{clockA.config("clock", 0, false), fillA.config("backfill", 2, true)},
		[]ChannelConfig{clockB.config("clock", 0, false), fillB.config("backfill", 2, true)})
	eventuallyOpen(t, &clockA, &clockB, &fillA, &fillB)
	p := NewPublisher("anna")
	mustAttach(t, p, a.link) // a section after that of the channels
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets beside channels", func() bool { return b.count("anna") > 20 })
	exchange := func(n int) {
		for _, c := range []struct{ from, to *ear }{{&clockA, &clockB}, {&clockB, &clockA}, {&fillA, &fillB}, {&fillB, &fillA}} {
			sent := false
			eventually(t, "message", func() bool {
				if !sent || !c.from.open().cfg.Reliable {
					sent = c.from.open().Send([]byte{byte(n)}) == nil
				}
				return slices.ContainsFunc(c.to.heard(), func(m []byte) bool { return len(m) == 1 && m[0] == byte(n) })
			})
		}
	}
	exchange(1)
	before := a.link.Stats().LocalCandidateType
	if err := a.link.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the restart", func() bool { return a.link.pc.PendingLocalDescription() == nil })
	exchange(2)
	for _, e := range []*ear{&clockA, &clockB, &fillA, &fillB} {
		if opened, closed := e.counts(); opened != 1 || closed != 0 {
			t.Errorf("opened %d times, closed %d times after a restart (%s)", opened, closed, before)
		}
	}
	if err := b.link.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*ear{&clockA, &clockB, &fillA, &fillB} {
		eventually(t, "end of the channel", e.isClosed)
	}
	if err := fillA.open().Send([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("send on a closed channel: %v", err)
	}
}

func TestASideWithoutChannelsConnects(t *testing.T) {
	var alone ear
	a, b := connectChannels(t, nil, []ChannelConfig{alone.config("clock", 0, false)}) // an older offerer
	p := NewPublisher("bela")
	mustAttach(t, p, b.link)
	stop := flow(p, 1)
	defer stop()
	eventually(t, "packets", func() bool { return a.count("bela") > 5 })
	if alone.open() != nil {
		t.Error("a channel opened toward a side that has none")
	}
}

func TestAnAnswererWithoutChannelsRefusesThem(t *testing.T) {
	var alone ear
	offers := make(chan *signaling.Signal, 64)
	f := newFactory(t, Config{})
	link, err := f.NewLink(LinkConfig{LocalID: signaling.ServerID, RemoteID: "p", Offerer: true,
		Channels: []ChannelConfig{alone.config("clock", 0, false)},
		Send: func(s *signaling.Signal) {
			if s.Description != nil {
				offers <- s
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Negotiate(); err != nil {
		t.Fatal(err)
	}
	plain, err := f.NewLink(LinkConfig{LocalID: "p", RemoteID: signaling.ServerID, Send: func(*signaling.Signal) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Handle(<-offers); !errors.Is(err, ErrNotAudio) {
		t.Errorf("data channels on a link without: %v", err)
	}
}

func TestSendIsBoundedAndRefusedWithoutMedia(t *testing.T) {
	var at, far ear
	hold := make(chan struct{})
	far.on = func(*Channel, []byte) { <-hold } // a receiver that stalls
	a, _ := connectChannels(t, []ChannelConfig{at.config("backfill", 2, true)}, []ChannelConfig{far.config("backfill", 2, true)})
	eventuallyOpen(t, &at, &far)
	c := at.open()
	if err := c.Send(make([]byte, MaxMessageBytes+1)); err == nil || errors.Is(err, ErrFull) {
		t.Errorf("message that is too large: %v", err)
	}
	message := make([]byte, MaxMessageBytes)
	sent := 0
	eventually(t, "full channel", func() bool {
		err := c.Send(message)
		if err == nil {
			sent++
		}
		return errors.Is(err, ErrFull) && c.Buffered() > maxChannelBuffer-MaxMessageBytes && sent >= sctpReceiveBuffer/MaxMessageBytes
	})
	if sent > 2*(sctpReceiveBuffer+maxChannelBuffer)/MaxMessageBytes {
		t.Errorf("%d messages taken for a receiver that stalls", sent)
	}
	close(hold)
	eventually(t, "all messages", func() bool { return len(far.heard()) == sent })
	eventually(t, "confirmation of all messages", func() bool { return c.Buffered() == 0 })

	connected := *a.link.state.Load()
	gone := StateDisconnected
	a.link.state.Store(&gone)
	if err := c.Send(message); !errors.Is(err, ErrNoMedia) || c.Buffered() != 0 {
		t.Errorf("send without media: %v, %d bytes wait", err, c.Buffered())
	}
	a.link.state.Store(&connected)
}

func TestAMessageThatIsTooLargeEndsItsChannelAlone(t *testing.T) {
	var at, far, otherAt, otherFar ear
	a, _ := connectChannels(t,
		[]ChannelConfig{at.config("backfill", 2, true), otherAt.config("clock", 0, false)},
		[]ChannelConfig{far.config("backfill", 2, true), otherFar.config("clock", 0, false)})
	eventuallyOpen(t, &at, &far, &otherAt, &otherFar)
	if _, err := (*at.open().raw.Load()).WriteDataChannel(make([]byte, MaxMessageBytes+1), false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the channel", far.isClosed)
	if n := len(far.heard()); n != 0 {
		t.Errorf("%d messages of a channel that sends too large ones", n)
	}
	if err := otherAt.open().Send([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "message on the other channel", func() bool { return len(otherFar.heard()) == 1 })
	if a.state() != StateConnected {
		t.Errorf("link is %s", a.state())
	}
}

func TestAFloodOfUnreliableMessagesIsCut(t *testing.T) {
	var at, far ear
	connectChannels(t, []ChannelConfig{at.config("clock", 0, false)}, []ChannelConfig{far.config("clock", 0, false)})
	eventuallyOpen(t, &at, &far)
	begin, sent := time.Now(), int64(0)
	eventually(t, "dropped messages", func() bool {
		for range 50 {
			if at.open().Send([]byte("x")) == nil {
				sent++
			}
		}
		return far.open().dropped.Load() > 500
	})
	allowed := messageBurst + int(time.Since(begin).Seconds()*unreliableRate) + 1
	if n := len(far.heard()); n > allowed {
		t.Errorf("%d messages passed of %d, at most %d are allowed", n, sent, allowed)
	}
}

func TestAPanicInACallbackEndsTheChannelAlone(t *testing.T) {
	var at, far ear
	far.on = func(*Channel, []byte) { panic("bug") }
	a, b := connectChannels(t, []ChannelConfig{at.config("clock", 0, false)}, []ChannelConfig{far.config("clock", 0, false)})
	eventuallyOpen(t, &at, &far)
	if err := at.open().Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the channel", func() bool { return far.isClosed() && at.isClosed() })
	if a.state() != StateConnected || b.state() != StateConnected {
		t.Errorf("links are %s and %s", a.state(), b.state())
	}
	if n := b.link.panics.Load(); n != 1 {
		t.Errorf("%d panics noted", n)
	}
}

func TestForeignChannelsAreRefusedAndBounded(t *testing.T) {
	var at, far ear
	a, b := connectChannels(t, []ChannelConfig{at.config("clock", 0, false)}, []ChannelConfig{far.config("clock", 0, false)})
	eventuallyOpen(t, &at, &far)
	foreign := func(n int) {
		for range n {
			if _, err := b.link.pc.CreateDataChannel("clock", nil); err != nil {
				return // the association has ended
			}
		}
	}
	foreign(maxForeignChannels / 2)
	eventually(t, "refused channels", func() bool { return a.link.foreign.Load() == maxForeignChannels/2 })
	if err := far.open().Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "message beside foreign channels", func() bool { return len(at.heard()) == 1 })
	foreign(maxForeignChannels)
	eventually(t, "end of the connection", func() bool { return at.isClosed() && far.isClosed() && a.state() == StateFailed })
	if opened, _ := at.counts(); opened != 1 {
		t.Errorf("%d channels opened", opened)
	}
}

func TestSectionsOfDataChannels(t *testing.T) {
	const section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
	const good = section + "a=sctp-port:5000\r\n"
	for _, c := range []struct {
		name, sdp string
		channels  bool
		want      error
	}{
		{"beside audio", sdpOpus + good, true, nil},
		{"on a link without", sdpOpus + good, false, ErrNotAudio},
		{"alone", good, true, ErrNotAudio},
		{"twice", sdpOpus + good + good, true, ErrNotAudio},
		{"without a port", sdpOpus + section, true, ErrNotAudio},
		{"with a port beyond", sdpOpus + section + "a=sctp-port:70000\r\n", true, ErrNotAudio},
		{"over TCP", sdpOpus + strings.Replace(good, "UDP/", "TCP/", 1), true, ErrNotAudio},
		{"RTP", sdpOpus + strings.Replace(good, "UDP/DTLS/SCTP", "UDP/TLS/RTP/SAVPF", 1), true, ErrNotAudio},
	} {
		_, err := checkDescription(&signaling.Description{Type: "offer", SDP: sdpHead + c.sdp}, c.channels)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMessageLimitLetsABurstAndThenTheRatePass(t *testing.T) {
	now := time.Unix(0, 0)
	l := newMessageLimit(false, now)
	passed := 0
	for range 10_000 { // 1000 a second for ten seconds
		now = now.Add(time.Millisecond)
		if l.take(now) == 0 {
			passed++
		}
	}
	if want := messageBurst + 10*unreliableRate; passed < want-2 || passed > want+2 {
		t.Errorf("%d messages passed, want %d", passed, want)
	}
}
