package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gasso/app/spool"
	"gasso/net/backfill"
	"gasso/net/packet"
	"gasso/net/signaling"
)

// show is one performer's app and the server's side of its backfill, on simulated time. Live packets and
// messages take no time, and are lost while the link is down. It runs in a bubble of testing/synctest.
type show struct {
	t     *testing.T
	now   time.Time
	app   *Session
	sends *backfilling
	asks  *backfill.Requester
	link  bool
	sent  uint64 // bytes that the server sent
	books map[packet.PublicationID]*book
	pk    packet.Packet
}

// book is what has arrived at the server.
type book struct {
	numbers  backfill.Set
	payloads map[int64][]byte
	newest   int64
	sample   int64
}

func (b *book) take(p *packet.Packet) {
	b.numbers.Add(backfill.Range{First: p.Number, Last: p.Number})
	b.payloads[p.Number] = slices.Clone(p.Payload)
	if p.Number > b.newest {
		b.newest, b.sample = p.Number, p.FirstSample
	}
}

func (b *book) Missing(r backfill.Range, dst *backfill.Set) { b.numbers.Missing(r, dst) }
func (b *book) Newest() (int64, int64)                      { return b.newest, b.sample }
func (b *book) Kept() bool                                  { return true }
func (b *book) Safe(dst *backfill.Set) {
	for _, r := range b.numbers.Ranges() {
		dst.Add(r)
	}
}

// sum is the same digest as that of the app.
func (b *book) sum() (packets int64, digest string) {
	h := sha256.New()
	for n := int64(0); n <= b.newest; n++ {
		payload, there := b.payloads[n]
		if !there {
			continue
		}
		packets++
		h.Write([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(payload)
	}
	return packets, hex.EncodeToString(h.Sum(nil))
}

func newShow(t *testing.T) *show {
	w := &show{t: t, now: time.Now(), link: true, books: map[packet.PublicationID]*book{}}
	w.asks = backfill.NewRequester(backfill.RequesterConfig{
		Open:   func(h backfill.Have) backfill.Book { return w.book(h.Publication) },
		Packet: func(p *packet.Packet) { w.book(p.Publication).take(p) },
		RoomNS: w.roomNS, ProgramDelay: time.Second, Rate: 1 << 20,
	})
	return w
}

func (w *show) roomNS(at time.Time) int64 { return at.UnixNano() }

func (w *show) book(id packet.PublicationID) *book {
	b := w.books[id]
	if b == nil {
		b = &book{payloads: map[int64][]byte{}, newest: -1}
		w.books[id] = b
	}
	return b
}

// Send and Buffered are the app's channel to the server.
func (w *show) Send(message []byte) error {
	if !w.link {
		return errors.New("no way")
	}
	_ = w.asks.Take(message, w.now)
	return nil
}

func (w *show) Buffered() int { return 0 }

// start begins an app with a folder, as the participant that the folder remembers, and joins.
func (w *show) start(dir, joinsAs string) {
	w.t.Helper()
	s, err := New(Config{Server: unreachable, Room: "demo", Name: "Ai", Input: "silence", Output: "null", Spool: SpoolConfig{Dir: dir}})
	if err != nil {
		w.t.Fatal(err)
	}
	s.openSpool()
	w.app, w.sends = s, newBackfilling(s.keeping, s.keeping.spool.Load(), w.roomNS)
	if w.app.self.id == "" {
		s.mu.Lock()
		s.self = identity{id: joinsAs, secret: "secret of " + joinsAs}
		s.rememberLocked()
		s.mu.Unlock()
	}
	w.connect()
}

// connect opens a new channel.
func (w *show) connect() {
	w.app.keeping.open(w)
	w.asks.Opened()
}

// publish begins a publication.
func (w *show) publish(nth int) *signaling.Publication {
	p := &signaling.Publication{ID: packet.NewPublicationID(), Generation: w.app.keeping.generation(nth), Channels: 1, FrameSamples: 240}
	w.app.announce(p)
	w.pk = packet.Packet{Publication: p.ID, Generation: p.Generation, Samples: 240}
	return p
}

// play lets time pass.
func (w *show) play(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		time.Sleep(5 * time.Millisecond)
		w.now = time.Now()
		w.pk.FirstSample = w.now.UnixNano() / 1000 * 48 / 1000
		w.pk.Payload = bytes.Repeat([]byte{byte(w.pk.Number), byte(w.pk.Number >> 8), 7}, 20)
		w.app.keeping.keep(&w.pk)
		if w.link {
			w.book(w.pk.Publication).take(&w.pk)
		}
		w.pk.Number++
		if w.now.UnixMilli()%20 == 0 {
			w.talk()
		}
	}
}

// talk is one look of both sides.
func (w *show) talk() {
	if w.link {
		w.sent++
		for {
			m, ok := w.asks.Next(20*time.Millisecond, w.now)
			if !ok {
				break
			}
			w.sends.take(m)
		}
	}
	w.sends.notePath(w.sent, true, w.now)
	w.sends.send(64<<10, w.now)
}

// check compares what was encoded with what the server has, once the last publication has ended.
func (w *show) check(id packet.PublicationID) {
	w.t.Helper()
	all := w.app.keeping.sums.list()
	at := slices.IndexFunc(all, func(s PublicationSum) bool { return s.ID == id.String() })
	packets, digest := w.book(id).sum()
	if at < 0 || all[at].Packets != packets || all[at].SHA256 != digest {
		w.t.Errorf("the server has %d packets with the sum %s; of the app's %+v", packets, digest, all)
	}
}

func (w *show) stop() {
	w.app.closeSpool()
}

func TestABlackoutCostsNoPacket(t *testing.T) {
	for _, away := range []time.Duration{300 * time.Millisecond, 3 * time.Second, 30 * time.Second, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) { blackout(t, away) })
	}
}

func blackout(t *testing.T, away time.Duration) {
	w := newShow(t)
	w.start(t.TempDir(), "p1")
	one := w.publish(0)
	w.play(5 * time.Second)
	w.link = false
	w.play(away)
	var self Self
	problem := w.app.keeping.describe(&self, w.now)
	if long := away >= pathSilent+cutShown; long != (problem != "") || long && problem != inWords(keptSeconds, keptMinutes, self.Spool.Duration) {
		t.Errorf("after %v the problem is %q", away, problem)
	}
	if kept := self.Spool.Duration; kept < away || kept > away+3*time.Second || self.Spool.Lost != 0 || self.Spool.Cut != (away >= pathSilent) {
		t.Errorf("after %v the spool is %+v", away, self.Spool)
	}
	w.link = true
	w.play(time.Second)
	two := w.publish(1)
	w.play(2*time.Second + away)
	self = Self{}
	if problem := w.app.keeping.describe(&self, w.now); problem != "" || self.News != "" || self.Spool.BackfillLeft != 0 || self.Spool.Duration > 3*time.Second {
		t.Errorf("after %v and as long again, the problem is %q, the news %q, the spool %+v", away, problem, self.News, self.Spool)
	}
	w.check(one.ID)
	w.play(time.Second)
	if _, ok := w.books[two.ID]; !ok {
		t.Error("the second publication is not there")
	}
	w.stop()
}

// TestARestartedAppSendsWhatIsLeft ends the app while the server is away, and starts it again.
func TestARestartedAppSendsWhatIsLeft(t *testing.T) { synctest.Test(t, aRestartedAppSendsWhatIsLeft) }

func aRestartedAppSendsWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	w := newShow(t)
	w.start(dir, "p1")
	one := w.publish(0)
	w.play(5 * time.Second)
	w.link = false
	w.play(5 * time.Second)
	two := w.publish(1) // of which the server never hears
	w.play(5 * time.Second)
	first := w.app
	w.stop()
	time.Sleep(10 * time.Second)
	w.now = time.Now()
	w.link = true
	w.start(dir, "somebody new")
	defer w.stop()
	if j := w.app.joinRequest(); j.Resume == nil || j.Resume.ParticipantID != "p1" || j.Resume.Secret != "secret of p1" {
		t.Errorf("the restarted app asks to join as %+v", j.Resume)
	}
	three := w.publish(0)
	if d := three.Generation - two.Generation; d == 0 || d > 64 {
		t.Errorf("generations are %d, %d and %d", one.Generation, two.Generation, three.Generation)
	}
	w.play(10 * time.Second)
	w.app, first = first, w.app
	w.check(one.ID)
	w.check(two.ID)
	w.app = first
	if len(w.book(three.ID).payloads) != 2000 {
		t.Errorf("%d packets came of the third publication", len(w.book(three.ID).payloads))
	}
}

func TestWithoutAFolderThatIsSaidWhileItMatters(t *testing.T) {
	synctest.Test(t, withoutAFolderThatIsSaidWhileItMatters)
}

func withoutAFolderThatIsSaidWhileItMatters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newShow(t)
	w.start(file, "p1")
	defer w.stop()
	one := w.publish(0)
	w.play(3 * time.Second)
	var self Self
	if problem := w.app.keeping.describe(&self, w.now); problem != "" {
		t.Errorf("while all is well the problem is %q", problem)
	}
	w.link = false
	w.play(10 * time.Second)
	want := joined(inWords(keptSeconds, keptMinutes, 11*time.Second), folderMissing)
	if problem := w.app.keeping.describe(&self, w.now); problem != want || self.Spool.Bytes != 0 {
		t.Errorf("the problem is %q, want %q", problem, want)
	}
	w.link = true
	w.play(5 * time.Second)
	w.publish(1)
	w.play(3 * time.Second)
	w.check(one.ID)
}

func TestNothingIsSentWhileMediaIsOut(t *testing.T) { synctest.Test(t, nothingIsSentWhileMediaIsOut) }

func nothingIsSentWhileMediaIsOut(t *testing.T) {
	w := newShow(t)
	w.start("", "p1")
	defer w.stop()
	w.publish(0)
	w.play(2 * time.Second)
	taken := &refusing{}
	w.app.keeping.open(taken)
	w.sends.notePath(w.sent, true, w.now.Add(pathSilent))
	w.sends.send(64<<10, w.now)
	if taken.offered != 0 {
		t.Errorf("%d messages were queued on a silent link", taken.offered)
	}
	w.sends.notePath(w.sent+1, false, w.now)
	w.sends.send(64<<10, w.now)
	if taken.offered != 0 {
		t.Errorf("%d messages were queued without a link", taken.offered)
	}
	w.sends.notePath(w.sent+2, true, w.now)
	for range 3 { // what the channel does not take is offered again
		w.sends.send(64<<10, w.now)
	}
	if taken.offered != 3 || len(taken.different) != 1 {
		t.Errorf("%d messages were offered, %d different ones", taken.offered, len(taken.different))
	}
}

// refusing is a channel that takes nothing.
type refusing struct {
	offered   int
	different map[string]bool
}

func (r *refusing) Send(m []byte) error {
	if r.different == nil {
		r.different = map[string]bool{}
	}
	r.offered++
	r.different[string(m)] = true
	return errors.New("full")
}

func (r *refusing) Buffered() int { return 0 }

func TestKeepingDoesNotAllocate(t *testing.T) {
	s := newTestSession(t)
	s.openSpool()
	defer s.closeSpool()
	p := &signaling.Publication{ID: packet.NewPublicationID(), Channels: 1, FrameSamples: 240}
	s.announce(p)
	pk := packet.Packet{Publication: p.ID, Samples: 240, Payload: make([]byte, 100)}
	if n := testing.AllocsPerRun(1000, func() {
		s.keeping.keep(&pk)
		pk.Number++
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestTwoAppsForTheSameRoomAreTwoParticipants(t *testing.T) {
	synctest.Test(t, twoAppsForTheSameRoomAreTwoParticipants)
}

func twoAppsForTheSameRoomAreTwoParticipants(t *testing.T) {
	dir := t.TempDir()
	a, b := newShow(t), newShow(t)
	a.start(dir, "p1")
	b.start(dir, "p2")
	if a.app.self.id != "p1" || b.app.self.id != "p2" {
		t.Errorf("they are %q and %q", a.app.self.id, b.app.self.id)
	}
	a.publish(0)
	b.publish(0)
	a.link, b.link = false, false
	a.play(time.Second)
	b.play(time.Second)
	a.stop()
	b.stop()
	c := newShow(t)
	c.start(dir, "p3")
	defer c.stop()
	if c.app.self.id != "p1" {
		t.Errorf("the next one is %q", c.app.self.id)
	}
}

var _ backfill.Spool = (*spool.Spool)(nil)
