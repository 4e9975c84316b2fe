package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gasso/server/state"
)

// silence is a program that a test plays itself.
type silence struct {
	sink atomic.Pointer[func([]float32, int64)]
}

func (p *silence) OnProgram(sink func(pcm []float32, firstSample int64)) { p.sink.Store(&sink) }

// memory is progress that can fail.
type memory struct {
	broken atomic.Bool
	epochs atomic.Int64
	next   atomic.Int64
}

func (m *memory) BeginBroadcast(string) (state.Broadcast, error) {
	if m.broken.Load() {
		return state.Broadcast{}, errors.New("the disk is full")
	}
	return state.Broadcast{Epoch: m.epochs.Add(1), NextSequence: m.next.Load()}, nil
}

func (m *memory) EndBroadcast(string) error { return nil }

func (m *memory) SaveSequence(_ string, epoch, next int64) error {
	if epoch == m.epochs.Load() {
		m.next.Store(max(m.next.Load(), next))
	}
	return nil
}

func testBroadcast(t *testing.T) (*broadcast, *silence, *memory) {
	t.Helper()
	p, m := &silence{}, &memory{}
	b := (&broadcast{
		roomID: "choir", listenerURL: "http://x/room/choir", program: p, progress: m, now: time.Now,
		log: slog.New(slog.DiscardHandler),
	}).open()
	t.Cleanup(b.close)
	return b, p, m
}

// play gives a broadcast seconds of silence, faster than real time.
func (p *silence) play(from int64, seconds int) {
	pcm := make([]float32, 480*2)
	for i := range seconds * 100 {
		(*p.sink.Load())(pcm, from+int64(i)*480)
	}
}

func TestBroadcastLivesAndGoesOn(t *testing.T) {
	b, p, m := testBroadcast(t)
	if b.state() != "waiting" || b.packager.Load() != nil {
		t.Error("on air before Start")
	}
	must(t, b.Start())
	waitFor(t, 5*time.Second, "program", func() bool { return p.sink.Load() != nil })
	p.play(48000*1000, 5)
	waitFor(t, 10*time.Second, "segments", func() bool { return b.state() == "live" && b.packager.Load().Status().Segments >= 2 })
	first := b.packager.Load()
	b.Stop()
	waitFor(t, 10*time.Second, "end", func() bool { return b.state() == "ended" && first.Status().Ended })
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/1/opus.m3u8", nil))
	if w.Code == http.StatusOK && !strings.Contains(w.Body.String(), "#EXT-X-ENDLIST") {
		t.Errorf("the playlist does not end: %s", w.Body)
	}
	saved := m.next.Load()
	if saved < first.Status().NextSequence {
		t.Errorf("saved sequence %d, published up to %d", saved, first.Status().NextSequence)
	}
	must(t, b.Start())
	waitFor(t, 5*time.Second, "second epoch", func() bool { return b.packager.Load() != first })
	if got := b.packager.Load().Status().NextSequence; got < saved {
		t.Errorf("the second broadcast begins at %d, before %d", got, saved)
	}
}

func TestBroadcastThatCannotBeginSaysWhyAndTriesAgain(t *testing.T) {
	b, _, m := testBroadcast(t)
	m.broken.Store(true)
	must(t, b.Start())
	waitFor(t, 5*time.Second, "problem", func() bool { return strings.Contains(b.State().Problem, "the disk is full") })
	m.broken.Store(false)
	waitFor(t, 10*time.Second, "second attempt", func() bool { return b.packager.Load() != nil })
	waitFor(t, 5*time.Second, "end of the problem", func() bool { return !strings.Contains(b.State().Problem, "disk") })
}

func TestAProblemEndsWithTheWish(t *testing.T) {
	b, _, m := testBroadcast(t)
	m.broken.Store(true)
	must(t, b.Start())
	waitFor(t, 5*time.Second, "problem", func() bool { return b.State().Problem != "" })
	b.Stop()
	waitFor(t, 5*time.Second, "end of the problem", func() bool { return b.State().Problem == "" })
}

func TestAudienceCountsAndForgets(t *testing.T) {
	a := newAudience()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	visit := func(address, agent string, at time.Time) {
		r := httptest.NewRequest(http.MethodGet, "/playlist.m3u8", nil)
		r.RemoteAddr = address
		r.Header.Set("User-Agent", agent)
		a.note(r, at)
	}
	for i := range 3 {
		visit(fmt.Sprintf("192.0.2.%d:1", i), "x", now)
	}
	visit("192.0.2.0:2", "x", now) // another connection of the same listener
	visit("192.0.2.0:3", "y", now)
	if got := a.count(now); got != 4 {
		t.Errorf("%d listeners, want 4", got)
	}
	visit("192.0.2.1:1", "x", now.Add(8*time.Second))
	if got := a.count(now.Add(12 * time.Second)); got != 1 {
		t.Errorf("%d listeners later, want 1", got)
	}
}
