package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/net/backfill"
	"gasso/net/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const frame = 240 // samples

var someID = packet.PublicationID{1, 2, 3, 4, 5, 6, 7, 8}

func about(id packet.PublicationID) backfill.Have {
	return backfill.Have{Publication: id, Generation: 7, Channels: 2, FrameSamples: frame, LookAheadSamples: 120}
}

// testPacket is packet number n of a publication; its payload follows from both.
func testPacket(id packet.PublicationID, n int64) *packet.Packet {
	r := rand.New(rand.NewPCG(binary.BigEndian.Uint64(id[:]), uint64(n)))
	payload := make([]byte, 1+r.IntN(200))
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	return &packet.Packet{Publication: id, Generation: 7, Number: n, FirstSample: 1e12 + n*frame, Samples: frame, Payload: payload}
}

func begin(t *testing.T, s *Spool, id packet.PublicationID) {
	t.Helper()
	if err := s.Begin(about(id)); err != nil {
		t.Fatal(err)
	}
}

func appendAll(s *Spool, id packet.PublicationID, from, to int64) {
	for n := from; n <= to; n++ {
		s.Append(testPacket(id, n))
	}
}

func mustFind(t *testing.T, s *Spool, id packet.PublicationID, from int64, p *packet.Packet) bool {
	t.Helper()
	found, err := s.Find(id, from, p)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// found lists the numbers of a publication that the spool gives out, and checks each packet.
func found(t *testing.T, s *Spool, id packet.PublicationID) (numbers []int64) {
	t.Helper()
	var p packet.Packet
	for from := int64(0); mustFind(t, s, id, from, &p); from = p.Number + 1 {
		want := testPacket(id, p.Number)
		if p.Number < from || p.Publication != id || p.Generation != 7 || p.FirstSample != want.FirstSample ||
			p.Samples != frame || !bytes.Equal(p.Payload, want.Payload) {
			t.Fatalf("found %+v, want %+v", p, *want)
		}
		numbers = append(numbers, p.Number)
	}
	return numbers
}

func wantFound(t *testing.T, s *Spool, id packet.PublicationID, first, last int64) {
	t.Helper()
	numbers := found(t, s, id)
	if int64(len(numbers)) != last-first+1 || numbers[0] != first || numbers[len(numbers)-1] != last {
		t.Fatalf("%d packets found, want %d to %d", len(numbers), first, last)
	}
}

func folder(t *testing.T, base string) *Folder {
	t.Helper()
	f, err := OpenFolder(base, "https://a.example", "demo", "Ai", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// idle is a spool whose writer runs only when the test says so.
func idle(t *testing.T, cfg Config) *Spool {
	t.Helper()
	if cfg.Packets == 0 {
		cfg.Packets, cfg.MemoryBytes = 1000, 1<<18
	}
	s := newSpool(cfg)
	if s.store != nil {
		s.recoverFiles()
	}
	return s
}

// shut ends an idle spool as Close does.
func shut(t *testing.T, s *Spool) {
	t.Helper()
	s.look(&writer{}, true)
	s.finish()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryAloneKeepsTheNewest(t *testing.T) {
	s := Open(Config{Packets: 100})
	begin(t, s, someID)
	appendAll(s, someID, 0, 249)
	wantFound(t, s, someID, 150, 249)
	if st := s.Status(); st.Packets != 100 || st.Lost != 150 || st.Duration != 500*time.Millisecond || st.Problem != "" {
		t.Errorf("status is %+v", st)
	}
	want := about(someID)
	want.First, want.Last, want.LastSample = 150, 249, testPacket(someID, 249).FirstSample
	if got := s.Holdings(); len(got) != 1 || got[0] != want {
		t.Errorf("holdings are %+v, want %+v", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryIsBoundedInBytesToo(t *testing.T) {
	s := Open(Config{MemoryBytes: 10_000})
	begin(t, s, someID)
	for n := int64(0); n < 5000; n++ {
		s.Append(testPacket(someID, n))
		held, bytes := int64(0), 0
		for seq := s.ring.tail; seq < s.ring.head; seq++ {
			e := s.ring.at(seq)
			if !bytesEqual(s.ring.payload(e), testPacket(someID, e.number).Payload) {
				t.Fatalf("after %d, number %d is damaged", n, e.number)
			}
			held, bytes = held+1, bytes+int(e.length)
		}
		if bytes > 10_000 || n > 200 && bytes < 9000 || held != s.Status().Packets {
			t.Fatalf("after %d, %d packets hold %d bytes and %d are kept", n, held, bytes, s.Status().Packets)
		}
	}
}

func bytesEqual(a, b []byte) bool { return bytes.Equal(a, b) }

func TestDurablePacketsAreForgotten(t *testing.T) {
	s := Open(Config{})
	begin(t, s, someID)
	appendAll(s, someID, 0, 99)
	s.Durable(someID, backfill.Range{First: 0, Last: 49})
	s.Durable(someID, backfill.Range{First: 60, Last: 99})
	s.Durable(packet.PublicationID{9}, backfill.Range{First: 0, Last: 99})
	wantFound(t, s, someID, 50, 59)
	s.Durable(someID, backfill.Range{First: 0, Last: packet.MaxNumber})
	if got := s.Holdings(); len(got) != 0 {
		t.Errorf("holdings are %+v", got)
	}
	if st := s.Status(); st != (Status{}) {
		t.Errorf("status is %+v", st)
	}
}

func TestWhatCannotBeKeptIsCounted(t *testing.T) {
	s := Open(Config{})
	s.Append(testPacket(someID, 0)) // before it began
	begin(t, s, someID)
	s.Append(testPacket(someID, 5))
	s.Append(testPacket(someID, 5))                                          // twice
	s.Append(testPacket(packet.PublicationID{}, 6))                          // of another one
	s.Append(&packet.Packet{Publication: someID, Number: 6, Samples: frame}) // empty
	s.Append(&packet.Packet{Publication: someID, Number: 6, Samples: frame, Payload: make([]byte, MaxPayload+1)})
	s.Append(testPacket(someID, 9)) // after a hole
	s.Append(testPacket(someID, 10))
	if got := found(t, s, someID); len(got) != 3 || got[0] != 5 || got[1] != 9 || got[2] != 10 {
		t.Errorf("found %v", got)
	}
	if st := s.Status(); st.Lost != 5 {
		t.Errorf("status is %+v", st)
	}
}

func TestPublicationsAreBounded(t *testing.T) {
	s := Open(Config{})
	for i := range maxLives {
		id := packet.PublicationID{byte(i), byte(i >> 8), 1}
		begin(t, s, id)
		s.Append(testPacket(id, 0))
	}
	if err := s.Begin(about(someID)); err == nil {
		t.Error("one publication too many")
	}
	s.Append(testPacket(someID, 0))
	s.Durable(packet.PublicationID{0, 0, 1}, backfill.Range{First: 0, Last: 0})
	begin(t, s, someID)
	s.Append(testPacket(someID, 0))
	wantFound(t, s, someID, 0, 0)
	all := s.Holdings()
	if len(all) != maxLives || !all[0].Ended || all[maxLives-1].Ended || all[maxLives-1].Publication != someID {
		t.Errorf("%d holdings, the last is %+v", len(all), all[len(all)-1])
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	s := idle(t, Config{Folder: folder(t, t.TempDir()), Packets: 500, MemoryBytes: 20_000})
	defer shut(t, s)
	begin(t, s, someID)
	p := testPacket(someID, 0)
	if n := testing.AllocsPerRun(2000, func() {
		s.Append(p)
		if p.Number%3 == 0 { // holes everywhere
			s.Durable(someID, backfill.Range{First: p.Number - 100, Last: p.Number - 100})
		}
		p.Number++
		p.FirstSample += frame
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// hash is over numbers and payloads in order.
func hash(numbers []int64, id packet.PublicationID) [32]byte {
	h := sha256.New()
	for _, n := range numbers {
		_ = binary.Write(h, binary.BigEndian, n)
		h.Write(testPacket(id, n).Payload)
	}
	return [32]byte(h.Sum(nil))
}

func TestConcurrentUse(t *testing.T) {
	base := t.TempDir()
	s := Open(Config{Folder: folder(t, base), FileBytes: 1 << 20, Packets: 300})
	begin(t, s, someID)
	s.SetCut(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		appendAll(s, someID, 0, 5000)
	}()
	var p packet.Packet
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for from := int64(0); mustFind(t, s, someID, from, &p); from = p.Number + 17 {
			if !bytes.Equal(p.Payload, testPacket(someID, p.Number).Payload) {
				t.Fatalf("number %d is damaged", p.Number)
			}
			s.Durable(someID, backfill.Range{First: p.Number, Last: p.Number})
		}
		s.Status()
		s.Holdings()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFiveMinutesWithoutTheServerFit has the highest rate in the shortest packets, with the sizes that
// the program chooses.
func TestFiveMinutesWithoutTheServerFit(t *testing.T) {
	const (
		shortest = 120 // samples
		highest  = 510_000
		outage   = 5 * time.Minute
		packets  = int64(outage/time.Second) * packet.SampleRate / shortest
		payload  = highest / 8 * shortest / packet.SampleRate
	)
	s := newSpool(Config{Folder: folder(t, t.TempDir())})
	s.recoverFiles()
	defer shut(t, s)
	s.SetCut(true)
	have := about(someID)
	have.FrameSamples = shortest
	if err := s.Begin(have); err != nil {
		t.Fatal(err)
	}
	w, p := &writer{}, packet.Packet{Publication: someID, Samples: shortest, Payload: make([]byte, payload)}
	for ; p.Number < packets; p.Number++ {
		s.Append(&p)
		if p.Number%100 == 99 { // a look every 250 ms
			s.look(w, false)
		}
	}
	if st := s.Status(); st.Lost != 0 || st.Packets != packets || st.Duration != outage || st.Bytes > defaultFileBytes/8 {
		t.Errorf("status is %+v", st)
	}

	m := newSpool(Config{})
	if err := m.Begin(have); err != nil {
		t.Fatal(err)
	}
	for p.Number = 0; p.Number < packets; p.Number++ {
		m.Append(&p)
	}
	if st := m.Status(); st.Duration < 59*time.Second {
		t.Errorf("memory alone holds %v", st.Duration)
	}
}
