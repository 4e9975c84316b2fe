package peer

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
	"gasso/net/redundancy"
)

const testRED = 63

// newReception is a subscriber's receiving half without a network.
func newReception(deliver func(*packet.Packet, time.Time)) *reception {
	s := newSubscriber(&webrtc.TrackRemote{}, nil, nil, slog.New(slog.DiscardHandler))
	r := &reception{Subscriber: s, deliver: deliver, extensionID: 3, redType: testRED}
	r.types[111], r.types[testRED] = true, true
	return r
}

// pipe binds a publisher to a reception; lost packets do not come.
func pipe(t testing.TB, p *Publisher, r *reception, lost func(h *rtp.Header) bool) *localTrack {
	t.Helper()
	buf, arrival := make([]byte, 1600), time.Unix(1e9, 0)
	return bindFake(t, p, &Link{}, 3, func(h *rtp.Header, payload []byte) (int, error) {
		arrival = arrival.Add(5 * time.Millisecond)
		if lost(h) {
			return len(payload), nil
		}
		n, err := h.MarshalTo(buf)
		if err != nil {
			return 0, err
		}
		r.take(buf[:n+copy(buf[n:], payload)], arrival, near)
		return len(payload), nil
	})
}

// passReports gives the sender what the receiver has to say.
func passReports(r *reception, track *localTrack, now time.Time) {
	for {
		select {
		case told := <-r.feedback:
			if app, ok := told.(*rtcp.ApplicationDefined); ok { // else a receiver report, which is about the network
				track.takeFeedback(app, now)
			}
		default:
			return
		}
	}
}

func TestCopiesRepairLossByThemselves(t *testing.T) {
	var got []int64
	r := newReception(func(pk *packet.Packet, _ time.Time) {
		if want := makePacket(4, pk.Number); !bytes.Equal(pk.Payload, want.Payload) || pk.FirstSample != want.FirstSample || pk.Samples != want.Samples || pk.Generation != 4 {
			t.Errorf("delivered %+v", pk)
		}
		got = append(got, pk.Number)
	})
	p, at := NewPublisher("anna"), 0
	track := pipe(t, p, r, func(*rtp.Header) bool {
		at++
		return at%25 < 4 && at < 20000 // bursts of 4
	})
	now := time.Unix(1e9, 0)
	write := func(from, to int64) {
		got = got[:0]
		for n := from; n < to; n++ {
			now = now.Add(5 * time.Millisecond)
			if err := p.Write(makePacket(4, n)); err != nil {
				t.Fatal(err)
			}
			passReports(r, track, now)
		}
	}
	write(0, 2000)
	if c := p.Counters(&Link{}); c.RedundantDepth != 0 {
		t.Errorf("another link has copies: %+v", c)
	}
	if c := p.Counters(track.link); c.RedundantDepth == 0 || c.RedundantSpread < 4 || c.BadFeedback != 0 {
		t.Fatalf("after bursts of 4: %+v", c)
	}
	write(2000, 4000)
	slices.Sort(got)
	if missing := 2000 - len(slices.Compact(got)); missing > 10 {
		t.Errorf("%d of 2000 packets are missing", missing)
	}
	if c := r.Counters(); c.Repaired < 500 || c.Malformed != 0 {
		t.Errorf("counters %+v", c)
	}
	at = 20000
	write(4000, 14000)
	if len(got) < 9990 || len(got) > 10004 {
		t.Errorf("%d packets were delivered of 10000 that came", len(got))
	}
	if c := p.Counters(track.link); c.RedundantDepth != 0 {
		t.Errorf("%d copies 50 s after the last loss", c.RedundantDepth)
	}
}

func TestResidualOfTheReceiverDecides(t *testing.T) {
	r := newReception(func(*packet.Packet, time.Time) {})
	r.SetResidual(func() int64 { return 123456 }) // another path has brought everything since
	p, at := NewPublisher("anna"), 0
	track := pipe(t, p, r, func(*rtp.Header) bool { at++; return at%10 == 0 })
	for n := range int64(4000) {
		_ = p.Write(makePacket(4, n))
		passReports(r, track, time.Unix(1e9, 0).Add(time.Duration(n)*5*time.Millisecond))
	}
	if c := p.Counters(track.link); c.RedundantDepth != 0 || c.BadFeedback != 0 {
		t.Errorf("copies although nothing is missing: %+v", c)
	}
}

func TestSendingAgain(t *testing.T) {
	var got []int64
	r := newReception(func(pk *packet.Packet, _ time.Time) { got = append(got, pk.Number) })
	p := NewPublisher("anna")
	var numbers []uint16
	track := pipe(t, p, r, func(h *rtp.Header) bool {
		numbers = append(numbers, h.SequenceNumber)
		return h.Timestamp == makePacket(4, 30).Timestamp() && !h.Marker
	})
	for n := range int64(60) {
		_ = p.Write(makePacket(4, n))
	}
	r.Request(4, []int64{30, 59, 1000})
	r.Request(5, []int64{31}) // another publication
	passReports(r, track, time.Unix(1e9, 0))
	_ = p.Write(makePacket(4, 60))
	if len(got) != 61 || got[59] != 60 || got[60] != 30 {
		t.Errorf("delivered %v", got)
	}
	if c := p.Counters(track.link); c.Resent != 2 || c.Sent != 63 {
		t.Errorf("counters %+v", c)
	}
	for i, n := range numbers {
		if int(n) != i {
			t.Fatalf("sequence numbers %v", numbers)
		}
	}
	for n := int64(61); n < 361; n++ { // whoever asks for everything gets a third
		r.Request(4, []int64{n - 5, n - 4, n - 3, n - 2, n - 1})
		passReports(r, track, time.Unix(1e9, 0))
		_ = p.Write(makePacket(4, n))
	}
	if c := p.Counters(track.link); c.Resent < 90 || c.Resent > 120 {
		t.Errorf("sent again %d packets of 300", c.Resent)
	}
}

func TestNoCopiesForASideWithoutRED(t *testing.T) {
	p, l := NewPublisher("anna"), &Link{}
	track := newLocalTrack(p, l)
	p.add(track)
	ctx := fakeContext{withoutRED: true, writer: func(h *rtp.Header, payload []byte) (int, error) {
		if h.PayloadType != 111 || !bytes.HasPrefix(payload, []byte{0xec, 'p'}) {
			t.Errorf("type %d, payload %q", h.PayloadType, payload)
		}
		return len(payload), nil
	}}
	if _, err := track.Bind(ctx); err != nil {
		t.Fatal(err)
	}
	track.protection.Store(2<<8 | 2)
	for n := range int64(5) {
		_ = p.Write(makePacket(1, n))
	}
}

func TestNonsenseFeedbackIsCounted(t *testing.T) {
	track := newLocalTrack(NewPublisher("anna"), &Link{})
	for _, app := range []*rtcp.ApplicationDefined{
		{Name: redundancy.AppName, SubType: redundancy.AppTotals, Data: []byte{1, 2, 3, 4}},
		{Name: redundancy.AppName, SubType: redundancy.AppTotals, Data: bytes.Repeat([]byte{0x7f}, 28)},
		{Name: redundancy.AppName, SubType: redundancy.AppRequests, Data: []byte{1, 2, 3, 4}},
		{Name: redundancy.AppName, SubType: 31},
	} {
		track.takeFeedback(app, time.Unix(1e9, 0))
	}
	track.takeFeedback(&rtcp.ApplicationDefined{Name: "ELSE"}, time.Unix(1e9, 0))
	if n := track.badFeedback.Load(); n != 4 {
		t.Errorf("counted %d", n)
	}
}

func TestReceptionAllocatesNothing(t *testing.T) {
	delivered := 0
	r := newReception(func(*packet.Packet, time.Time) { delivered++ })
	p := NewPublisher("anna")
	track := pipe(t, p, r, func(*rtp.Header) bool { return false })
	track.protection.Store(3<<8 | 6)
	pk := makePacket(1, 1)
	r.reported = time.Unix(1e12, 0) // reports are made four times a second and allocate
	got := testing.AllocsPerRun(1000, func() {
		pk.Number, pk.FirstSample = pk.Number+1, pk.FirstSample+240
		_ = p.Write(pk)
	})
	if got != 0 || delivered < 1000 {
		t.Errorf("%v allocations for each of %d packets", got, delivered)
	}
}

func FuzzReception(f *testing.F) {
	var h redundancy.History
	h.Add(makePacket(4, 4))
	pk := makePacket(4, 5)
	red := *pk
	red.Payload = h.Pack(nil, &redundancy.Copies{}, pk, 111, 1, 1)
	buf := wire(f, &red, 3, identityOf(pk), 0)
	buf[1] = testRED
	f.Add(buf, wire(f, pk, 3, identityOf(pk), 7), near)
	f.Fuzz(func(t *testing.T, first, second []byte, near int64) {
		seen := map[[2]int64]bool{}
		r := newReception(func(pk *packet.Packet, _ time.Time) {
			if pk.Number < 0 || pk.Number > packet.MaxNumber || pk.Samples <= 0 || pk.Samples > maxPacketSamples || len(pk.Payload) == 0 {
				t.Errorf("delivered %+v", pk)
			}
			if key := [2]int64{int64(pk.Generation), pk.Number}; seen[key] {
				t.Errorf("delivered %v twice", key)
			} else {
				seen[key] = true
			}
		})
		for _, buf := range [][]byte{first, second, first} {
			r.take(buf, time.Unix(1e9, 0), near)
		}
		if c := r.Counters(); c.Panics != 0 {
			t.Error("a panic")
		}
	})
}

func FuzzFeedback(f *testing.F) {
	f.Add(uint8(redundancy.AppTotals), (&redundancy.Totals{Expected: 50, RawLost: 5, Missing: 5}).Append(nil))
	f.Add(uint8(redundancy.AppRequests), (&redundancy.Request{Generation: 1, First: 3, After: 0xffff}).Append(nil))
	f.Fuzz(func(t *testing.T, subtype uint8, data []byte) {
		p := NewPublisher("anna")
		sent := 0
		track := bindFake(t, p, &Link{}, 1, func(_ *rtp.Header, b []byte) (int, error) { sent++; return len(b), nil })
		for n := range int64(30) {
			track.takeFeedback(&rtcp.ApplicationDefined{Name: redundancy.AppName, SubType: subtype, Data: data}, time.Unix(1e9+n, 0))
			_ = p.Write(makePacket(1, n))
		}
		if sent < 30 || sent > 40 {
			t.Errorf("sent %d packets for 30", sent)
		}
	})
}

// A new publication loses nothing and repeats nothing, with copies and with the last of the one before
// coming late.
func TestANewPublicationGoesOn(t *testing.T) {
	seen := map[[2]int64]int{}
	r := newReception(func(pk *packet.Packet, _ time.Time) { seen[[2]int64{int64(pk.Generation), pk.Number}]++ })
	p := NewPublisher("anna")
	track := pipe(t, p, r, func(*rtp.Header) bool { return false })
	track.protection.Store(2<<8 | 4)
	for generation := range int64(512) { // the byte comes round
		for n := range int64(10) {
			_ = p.Write(makePacket(uint8(generation), n))
			if n == 2 && generation > 0 {
				_ = p.Write(makePacket(uint8(generation-1), 10))
			}
		}
	}
	for key, times := range seen {
		if times != 2 && key != [2]int64{255, 10} { // which nothing came after
			t.Fatalf("packet %d of generation %d was delivered %d times, want 2", key[1], key[0], times)
		}
	}
	if len(seen) != 256*11 {
		t.Errorf("%d packets", len(seen))
	}
}
