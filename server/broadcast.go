package server

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gasso/net/clocksync"
	"gasso/server/hls"
	"gasso/server/room"
	"gasso/server/state"
)

// playlistName is what listeners open, below /live/room-{id}/.
const playlistName = "playlist.m3u8"

// program is where a broadcast gets its sound.
type program interface {
	OnProgram(sink func(pcm []float32, firstSample int64))
}

// progress keeps epochs and sequence numbers over restarts.
type progress interface {
	BeginBroadcast(roomID string) (state.Broadcast, error)
	SaveSequence(roomID string, epoch, next int64) error
	EndBroadcast(roomID string) error
}

// broadcast publishes one room's program. Start and Stop only note a wish; run, its one goroutine,
// opens and ends epochs, since disk and encoder may take their time.
type broadcast struct {
	roomID      string
	listenerURL string
	ffmpeg      string // empty: Opus only
	program     program
	progress    progress
	audience    *audience
	now         func() time.Time
	log         *slog.Logger

	packager atomic.Pointer[hls.Packager] // the newest, which may have ended; nil before the first
	problem  atomic.Pointer[string]       // why there is none

	mu   sync.Mutex
	live bool
	wake chan struct{} // 1 slot
	quit chan struct{}
	done chan struct{}
}

func (b *broadcast) open() *broadcast {
	b.audience = newAudience()
	b.wake, b.quit, b.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go b.run()
	return b
}

// Start implements room.Broadcast.
func (b *broadcast) Start() error { b.wish(true); return nil }

// Stop implements room.Broadcast.
func (b *broadcast) Stop() { b.wish(false) }

// State implements room.Broadcast.
func (b *broadcast) State() room.BroadcastState {
	st := room.BroadcastState{ListenerURL: b.listenerURL, Listeners: b.audience.count(b.now())}
	if p := b.problem.Load(); p != nil {
		st.Problem = *p
	} else if newest := b.packager.Load(); newest != nil {
		st.Problem = newest.Status().Problem
	}
	return st
}

func (b *broadcast) wish(live bool) {
	b.mu.Lock()
	b.live = live
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *broadcast) wished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live
}

// close ends the broadcast and waits until the playlist says so.
func (b *broadcast) close() {
	close(b.quit)
	<-b.done
}

// retryEvery is how long run waits after a broadcast could not begin.
const retryEvery = 2 * time.Second

// run makes what is true what is wished, until close.
func (b *broadcast) run() {
	defer close(b.done)
	var on *epoch
	end := func() {
		if on != nil {
			b.program.OnProgram(nil)
			on.end()
			on = nil
		}
	}
	defer end()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		switch live := b.wished(); {
		case live && on == nil:
			var err error
			if on, err = b.begin(); err != nil {
				b.log.Error("broadcast cannot begin", "room", b.roomID, "error", err)
				text := "The broadcast cannot begin: " + err.Error()
				b.problem.Store(&text)
				retry.Reset(retryEvery)
				break
			}
			b.problem.Store(nil)
		case !live:
			if on != nil {
				end()
				if err := b.progress.EndBroadcast(b.roomID); err != nil {
					b.log.Error("end of the broadcast not noted", "room", b.roomID, "error", err)
				}
			}
			b.problem.Store(nil)
		}
		select {
		case <-b.wake:
		case <-retry.C:
		case <-b.quit:
			return
		}
	}
}

// begin opens an epoch that goes on where the last one ended.
func (b *broadcast) begin() (*epoch, error) {
	at, err := b.progress.BeginBroadcast(b.roomID)
	if err != nil {
		return nil, err
	}
	e := &epoch{broadcast: b, number: at.Epoch, saved: make(chan struct{}), wake: make(chan struct{}, 1)}
	e.next.Store(at.NextSequence)
	e.packager, err = hls.New(hls.Config{
		RoomID: b.roomID, Epoch: at.Epoch, FirstSequence: at.NextSequence, FFmpeg: b.ffmpeg,
		OnSegment: e.published, Log: b.log,
	})
	if err != nil {
		return nil, err
	}
	go e.runSave()
	b.packager.Store(e.packager)
	b.program.OnProgram(func(pcm []float32, firstSample int64) {
		e.packager.Write(pcm, clocksync.NSAt(firstSample))
	})
	b.log.Info("on air", "room", b.roomID, "epoch", at.Epoch, "sequence", at.NextSequence)
	return e, nil
}

// ServeHTTP serves the newest epoch below /live/room-{id}/.
func (b *broadcast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	newest := b.packager.Load()
	if newest == nil {
		http.Error(w, "The broadcast has not begun.", http.StatusNotFound)
		return
	}
	if strings.HasSuffix(r.URL.Path, ".m3u8") {
		b.audience.note(r, b.now())
	}
	newest.Handler().ServeHTTP(w, r)
}

// state is waiting, live or ended, as the public status says.
func (b *broadcast) state() string {
	switch newest := b.packager.Load(); {
	case b.wished():
		if newest != nil && !newest.Status().Ended && newest.Status().Segments > 0 {
			return "live"
		}
		return "waiting"
	case newest == nil:
		return "waiting"
	}
	return "ended"
}

// epoch is one life of a broadcast: one packager, whose numbers are kept on disk.
type epoch struct {
	broadcast *broadcast
	packager  *hls.Packager
	number    int64
	next      atomic.Int64 // media sequence number to go on from after a crash
	wake      chan struct{}
	saved     chan struct{} // closed when runSave has ended
}

// reserve is how many segments may be published while one save is under way.
const reserve = 3

// published notes a segment; the encoder's goroutine calls it, so the disk is left to runSave.
func (e *epoch) published(sequence int64) {
	e.next.Store(sequence + 1 + reserve)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// runSave writes the numbers down until wake is closed.
func (e *epoch) runSave() {
	defer close(e.saved)
	for range e.wake {
		if err := e.broadcast.progress.SaveSequence(e.broadcast.roomID, e.number, e.next.Load()); err != nil {
			e.broadcast.log.Error("sequence number not saved", "room", e.broadcast.roomID, "error", err)
		}
	}
}

// end finishes the epoch and waits until it has. Nothing is published afterwards.
func (e *epoch) end() {
	e.packager.End()
	close(e.wake)
	<-e.saved
	st := e.packager.Status()
	e.broadcast.log.Info("off air", "room", e.broadcast.roomID, "epoch", e.number,
		"segments", st.Segments, "restarts", st.Restarts)
}
