package backfill

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"gasso/net/packet"
)

func seeds(f *testing.F) {
	have := Have{Publication: pubA, Channels: 2, FrameSamples: frame, Last: 1000, LastSample: roomSample(startTime)}
	all := Have{Publication: pubB, Channels: 1, FrameSamples: 1, Ended: true, Last: packet.MaxNumber, LastSample: 1}
	w := want{publication: pubA, program: true, archive: true, delay: time.Second, rate: 1000, ranges: []Range{{0, 5}, {900, packet.MaxNumber}}}
	g := gone{pubA, []Range{{3, 4}, {0, packet.MaxNumber}}}
	d := durable{pubA, true, []Range{{0, 7}}}
	k := packing{}
	for n := range int64(3) {
		k.add(&packet.Packet{Publication: pubA, Number: n, FirstSample: n * frame, Samples: frame, Payload: []byte{1, 2, 3}}, MaxMessage)
	}
	for _, m := range [][]byte{have.append(nil), all.append(nil), w.append(nil), g.append(nil), d.append(nil), k.message, {}, {9}, {kindPackets}} {
		f.Add(m)
	}
}

func FuzzParser(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := readHave(b); err == nil && !bytes.Equal(h.append(nil), masked(b)) {
			t.Errorf("%x comes back as %x", b, h.append(nil))
		}
		if w, err := readWant(b, nil); err == nil && len(b) <= MaxMessage && !bytes.Equal(w.append(nil), masked(b)) {
			t.Errorf("%x comes back as %x", b, w.append(nil))
		}
		if g, err := readGone(b, nil); err == nil && len(b) <= MaxMessage && !bytes.Equal(g.append(nil), b) {
			t.Errorf("%x comes back as %x", b, g.append(nil))
		}
		if d, err := readDurable(b, nil); err == nil && len(b) <= MaxMessage && !bytes.Equal(d.append(nil), masked(b)) {
			t.Errorf("%x comes back as %x", b, d.append(nil))
		}
		_ = readPackets(b, func(p *packet.Packet) {
			if p.Number < 0 || p.Number > packet.MaxNumber || p.FirstSample < 0 || p.Samples < 1 || len(p.Payload) < 1 || len(p.Payload) > MaxPayload {
				t.Errorf("took %+v", p)
			}
		})
	})
}

// masked clears flags that nobody knows.
func masked(b []byte) []byte {
	b = bytes.Clone(b)
	switch b[0] {
	case kindHave:
		b[11] &= haveMusic | haveEnded
	case kindWant:
		b[9] &= wantProgram | wantArchive
	case kindDurable:
		b[9] &= durableDeclined
	}
	return b
}

// script cuts bytes into messages: a byte of length, a byte of time, the message.
func script(b []byte, each func(message []byte, passed time.Duration)) {
	for len(b) > 2 {
		n := min(int(b[0]), len(b)-2)
		each(b[2:2+n], time.Duration(b[1])*10*time.Millisecond)
		b = b[2+n:]
	}
}

func scripted(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		b = append(append(b, byte(len(m)), 30), m...)
	}
	return b
}

func FuzzSender(f *testing.F) {
	w := want{publication: pubA, program: true, archive: true, delay: time.Second, ranges: []Range{{0, 50}, {100, packet.MaxNumber}}}
	d := durable{pubA, false, []Range{{0, 20}}}
	f.Add(scripted(w.append(nil), d.append(nil), w.append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		spool := newSpool(pubA, pubB)
		spool.make(pubA, startTime, 200)
		spool.make(pubB, startTime, 10).held.Remove(Range{3, 5})
		s, now := NewSender(SenderConfig{Spool: spool, RoomNS: roomNS}), startTime.Add(time.Second)
		script(b, func(m []byte, passed time.Duration) {
			now = now.Add(passed)
			_ = s.Take(m)
			for range 100 {
				out, ok := s.Next(100_000, now)
				if !ok {
					return
				}
				if len(out) == 0 || len(out) > MaxMessage {
					t.Fatalf("message of %d bytes", len(out))
				}
			}
			t.Fatal("it never ends sending")
		})
	})
}

func FuzzRequester(f *testing.F) {
	have := Have{Publication: pubA, Channels: 2, FrameSamples: frame, Last: 1000, LastSample: roomSample(startTime)}
	lie := Have{Publication: pubB, Channels: 2, FrameSamples: 1, Last: packet.MaxNumber, LastSample: 0}
	g := gone{pubA, []Range{{0, 9}, {500, packet.MaxNumber}}}
	k := packing{}
	k.add(&packet.Packet{Publication: pubA, Number: 10, FirstSample: 10, Samples: frame, Payload: []byte{1}}, MaxMessage)
	f.Add(scripted(have.append(nil), lie.append(nil), g.append(nil), k.message))
	f.Fuzz(func(t *testing.T, b []byte) {
		books, now := map[packet.PublicationID]*fakeBook{}, startTime
		q := NewRequester(RequesterConfig{
			Open: func(have Have) Book {
				books[have.Publication] = &fakeBook{newest: -1, kept: have.Music}
				return books[have.Publication]
			},
			Packet: func(p *packet.Packet) {
				if books[p.Publication].arrived.Has(p.Number) {
					t.Fatalf("packet %d twice", p.Number)
				}
				books[p.Publication].take(p.Number, p.FirstSample)
			},
			RoomNS: roomNS, ProgramDelay: time.Second, Rate: 1 << 20,
		})
		script(b, func(m []byte, passed time.Duration) {
			now = now.Add(passed)
			_ = q.Take(m, now)
			for range 4 * maxPublications {
				out, ok := q.Next(20*time.Millisecond, now)
				if !ok {
					return
				}
				if len(out) == 0 || len(out) > MaxMessage {
					t.Fatalf("message of %d bytes", len(out))
				}
			}
			t.Fatal("it never ends asking")
		})
	})
}

// liar is a requester and a clock for messages of somebody who lies.
func liar(t *testing.T) (*Requester, map[packet.PublicationID]*fakeBook, *time.Time) {
	books, now := map[packet.PublicationID]*fakeBook{}, startTime
	return NewRequester(RequesterConfig{
		Open: func(have Have) Book {
			if have.Publication == pubB {
				return nil
			}
			b := &fakeBook{newest: -1, kept: true}
			books[have.Publication] = b
			return b
		},
		Packet: func(p *packet.Packet) { books[p.Publication].take(p.Number, p.FirstSample) },
		RoomNS: roomNS, ProgramDelay: time.Second, Rate: 10_000,
	}), books, &now
}

func drainRequester(t *testing.T, q *Requester, now time.Time) (messages int) {
	t.Helper()
	for {
		if _, ok := q.Next(0, now); !ok {
			return messages
		}
		if messages++; messages > 4*maxPublications {
			t.Fatal("it never ends asking")
		}
	}
}

func TestLiesAreCountedAndCutOff(t *testing.T) {
	q, books, now := liar(t)
	good := Have{Publication: pubA, Channels: 2, FrameSamples: frame, Last: 99, LastSample: roomSample(startTime) - 48000}
	future, refused := good, good
	future.LastSample = roomSample(startTime) + 2*aheadSamples
	refused.Publication = pubB
	tooHigh := good.append(nil)
	copy(tooHigh[21:26], []byte{0, 0, 0, 0, 0}) // last below first
	copy(tooHigh[16:21], []byte{0, 0, 0, 0, 1})
	unasked := packing{}
	unasked.add(&packet.Packet{Publication: pubA, Number: 5000, FirstSample: 5, Samples: frame, Payload: []byte{1}}, MaxMessage)
	early := packing{}
	early.add(&packet.Packet{Publication: pubA, Number: 5, FirstSample: math.MaxInt64 / 2, Samples: frame, Payload: []byte{1}}, MaxMessage)
	empty := packing{}
	empty.add(&packet.Packet{Publication: pubA, Number: 6, FirstSample: 5, Samples: frame, Payload: []byte{1}}, MaxMessage)
	cut := empty.message[:len(empty.message)-1]
	for _, c := range []struct {
		name    string
		message []byte
		want    error
	}{
		{"future", future.append(nil), ErrLie},
		{"refused", refused.append(nil), ErrRefused},
		{"ranges the wrong way round", tooHigh, ErrMalformed},
		{"before anything is known", unasked.message, ErrRefused},
		{"good", good.append(nil), nil},
		{"unasked", unasked.message, nil},
		{"too early", early.message, nil},
		{"cut", cut, ErrMalformed},
		{"wish from the app", (&want{publication: pubA}).append(nil), ErrMalformed},
	} {
		drainRequester(t, q, *now)
		if err := q.Take(c.message, *now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		*now = now.Add(time.Second)
	}
	if s := q.Stats(); s.Lies != 2 || s.Refused != 2 || s.Malformed != 3 || s.Strays != 1 || s.Packets != 0 {
		t.Errorf("%+v", s)
	}
	if !books[pubA].arrived.Empty() {
		t.Error("a lie is in the book")
	}
}

func TestGigabytesAreCutOff(t *testing.T) {
	q, books, now := liar(t)
	have := Have{Publication: pubA, Channels: 2, FrameSamples: frame, Last: packet.MaxNumber, LastSample: roomSample(startTime)}
	if err := q.Take(have.append(nil), *now); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Second)
	drainRequester(t, q, *now)
	taken, number := 0, int64(0)
	begin := *now
	for sent := 0; sent < 1<<30; {
		k := packing{}
		for k.add(&packet.Packet{Publication: pubA, Number: number, FirstSample: 1, Samples: frame, Payload: make([]byte, MaxPayload)}, MaxMessage) {
			number++
		}
		if err := q.Take(k.message, *now); err == nil {
			taken += len(k.message)
		} else if !errors.Is(err, ErrExcess) {
			t.Fatal(err)
		}
		sent += len(k.message)
		*now = now.Add(100 * time.Microsecond)
	}
	allowed := burstSeconds*10_000 + int(1.5*10_000*now.Sub(begin).Seconds()) + MaxMessage
	if taken > allowed || taken == 0 {
		t.Errorf("%d bytes were taken, %d are allowed", taken, allowed)
	}
	if q.Stats().Excess == 0 || books[pubA].arrived.Len() == 0 {
		t.Errorf("%+v", q.Stats())
	}
}

// TestMemoryIsBounded has an app tell as many publications as there are and be sent only every other
// number of each.
func TestMemoryIsBounded(t *testing.T) {
	q, books, now := liar(t)
	q.cfg.Rate = 1 << 30
	q.Opened()
	for i := range 10 * maxPublications {
		have := Have{Publication: packet.PublicationID{9, byte(i), byte(i >> 8)}, Channels: 2, FrameSamples: frame, Last: packet.MaxNumber, LastSample: roomSample(startTime)}
		if err := q.Take(have.append(nil), *now); (err != nil) != (i >= maxPublications) {
			t.Fatalf("publication %d: %v", i, err)
		}
	}
	for _, b := range books {
		for n := int64(0); n < 10*openRanges; n++ {
			b.arrived.Add(Range{2 * n, 2 * n})
		}
		b.newest, b.sample = 20*openRanges, roomSample(startTime)
	}
	begin := time.Now()
	for range 2000 {
		*now = now.Add(askEvery)
		drainRequester(t, q, *now)
		for id := range books {
			var odd []Range
			for n := range int64(100) {
				odd = append(odd, Range{20*n + 1, 20*n + 1})
			}
			_ = q.Take((&gone{id, odd}).append(nil), *now)
			break
		}
	}
	for _, h := range q.order {
		if len(h.waiting.Ranges()) > openRanges || len(h.gone.Ranges()) > openRanges+1 {
			t.Fatalf("%d ranges wait, %d are gone", len(h.waiting.Ranges()), len(h.gone.Ranges()))
		}
	}
	t.Logf("%d publications with %d gaps each: %v a round", len(books), 10*openRanges, time.Since(begin)/2000)
}

func TestSenderIsNotOverwhelmedByWishes(t *testing.T) {
	spool := newSpool(pubA)
	spool.make(pubA, startTime, 100)
	s := NewSender(SenderConfig{Spool: spool, RoomNS: roomNS})
	now := startTime.Add(time.Minute)
	ranges := make([]Range, 0, maxMessageRanges)
	for number := int64(0); number < 200_000; {
		ranges = ranges[:0]
		for range maxMessageRanges {
			ranges = append(ranges, Range{number, number})
			number += 2
		}
		if err := s.Take((&want{publication: pubA, archive: true, ranges: ranges}).append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 * maxPublications {
		w := want{publication: packet.PublicationID{7, byte(i), byte(i >> 8)}, archive: true, ranges: []Range{{0, packet.MaxNumber}}}
		if err := s.Take(w.append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.asked) > maxPublications || len(s.asked[pubA].archive.Ranges()) > MaxRanges {
		t.Errorf("%d publications, %d ranges", len(s.asked), len(s.asked[pubA].archive.Ranges()))
	}
	sent := map[int64]bool{}
	for range 2000 {
		now = now.Add(20 * time.Millisecond)
		for m, ok := s.Next(1<<20, now); ok; m, ok = s.Next(1<<20, now) {
			if m[0] == kindPackets {
				if err := readPackets(m, func(p *packet.Packet) { sent[p.Number] = true }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(sent) != 50 || s.Stats().Waiting != 0 {
		t.Errorf("%d packets of 50 were sent, %d wait", len(sent), s.Stats().Waiting)
	}
}

func TestMalformedMessagesOfTheServerChangeNothing(t *testing.T) {
	s := NewSender(SenderConfig{Spool: newSpool(pubA), RoomNS: roomNS})
	w := (&want{publication: pubA, archive: true, ranges: []Range{{1, 2}}}).append(nil)
	for _, m := range [][]byte{nil, {0}, {kindHave}, w[:len(w)-1], slices.Concat(w, w), make([]byte, MaxMessage+1)} {
		if err := s.Take(m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", m[:min(len(m), 20)], err)
		}
	}
	if got := s.Stats(); got.Malformed != 6 || got.Waiting != 0 {
		t.Errorf("%+v", got)
	}
}
