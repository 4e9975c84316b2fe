package peer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

// Errors that callers branch on.
var (
	ErrNotAudio  = errors.New("the session description is not Opus audio")
	ErrBadSignal = errors.New("the session description or candidate cannot be used")
	ErrStartOver = errors.New("the other side started the connection over") // make a new Link and Handle the signal there
	ErrClosed    = errors.New("the link is closed")
)

const loggedPanics = 8 // of each link

// State is how a link is.
type State string

// The states of a link. A disconnected link may come back by itself, a failed one needs Restart;
// closed is only what Close was called on.
const (
	StateNew          State = "new"
	StateConnecting   State = "connecting"
	StateConnected    State = "connected"
	StateDisconnected State = "disconnected"
	StateFailed       State = "failed"
	StateClosed       State = "closed"
)

// LinkConfig describes one link. None of the callbacks may call Close of the same link or of the factory.
type LinkConfig struct {
	LocalID, RemoteID string // participant ids or signaling.ServerID

	// Offerer says that this side always offers: between performers the one with the smaller id,
	// toward the server the server.
	Offerer bool

	Send    func(*signaling.Signal) // must not block; To and Link are set
	OnTrack func(*Subscriber)       // runs on a goroutine of its own, which Close waits for: call Subscriber.Run in it
	OnState func(State)             // must not block; one call after the other, never a state twice in a row

	// Channels are the data channels that both sides have; none: the link refuses them. The offerer
	// offers them only to a side that knows them.
	Channels []ChannelConfig
	Log      *slog.Logger // nil: that of the factory
}

// Link is one PeerConnection with one other side.
//
// One goroutine (runOwner) holds the state of negotiation and runs the caller's commands one by one;
// a second (runNotices) makes the callbacks, so that a callback may call any method but Close.
type Link struct {
	cfg     LinkConfig
	factory *Factory
	pc      *webrtc.PeerConnection
	reach   *reach // nil where sockets are shared
	log     *slog.Logger
	negotiation
	commands chan command
	changed  chan struct{} // one slot: pc's state may have changed
	quit     chan struct{} // Close asks the goroutines to end
	ended    chan struct{} // runOwner has ended
	notices  notices
	send     *sendQueue // nil where writing never waits for the network
	channels []*Channel // as configured
	inbox    inbox
	wg       sync.WaitGroup
	closing  sync.Once
	closeErr error

	id        atomic.Pointer[string]
	state     atomic.Pointer[State]
	panics    atomic.Int64
	foreign   atomic.Int64 // data channels that were refused
	restart   atomic.Pointer[time.Time]
	lossBits  atomic.Uint64 // float64: fraction of our packets that the other side missed
	lastStats atomic.Pointer[LinkStats]
	wide      wideLink
	sparing   sparing

	mu     sync.Mutex // guards closed against the start of track goroutines
	closed bool
}

type command struct {
	do   func() error
	done chan error
}

// NewLink makes a link. Attach publishers to it, then Negotiate.
func (f *Factory) NewLink(cfg LinkConfig) (*Link, error) {
	if cfg.Send == nil {
		return nil, errors.New("make link: Send is missing")
	}
	if cfg.Log == nil {
		cfg.Log = f.log
	}
	l := &Link{
		cfg: cfg, factory: f, log: cfg.Log.With("local", cfg.LocalID, "remote", cfg.RemoteID),
		negotiation: newNegotiation(),
		commands:    make(chan command), changed: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
		notices: newNotices(),
	}
	pc, reach, mayBlock, err := f.newPeerConnection(&l.inbox, cfg.Offerer && len(cfg.Channels) > 0, cfg.RemoteID == signaling.ServerID)
	if err != nil {
		return nil, fmt.Errorf("make peer connection: %w", err)
	}
	l.pc, l.reach = pc, reach
	first, id := StateNew, ""
	l.state.Store(&first)
	if cfg.Offerer {
		id = rand.Text()
		// The first media section is there before any publisher: the other side sends on it.
		_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio,
			webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	}
	if len(cfg.Channels) > 0 {
		err = errors.Join(err, l.makeChannels())
	}
	l.id.Store(&id)
	if err != nil || !f.register(l) {
		_ = pc.GracefulClose()
		return nil, errors.Join(err, fmt.Errorf("make link: %w", ErrClosed))
	}
	l.start(mayBlock)
	return l, nil
}

func (l *Link) start(mayBlock bool) {
	l.pc.OnICECandidate(l.localCandidate)
	l.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	})
	l.pc.OnTrack(l.remoteTrack)
	l.wg.Go(l.runNotices)
	if mayBlock {
		l.send = newSendQueue()
		l.wg.Go(func() { l.send.run(l.quit) })
	}
	go l.runOwner()
}

// ID is the offerer's name for this PeerConnection; empty at the answerer until the first offer.
func (l *Link) ID() string { return *l.id.Load() }

// RemoteID is the participant at the other side.
func (l *Link) RemoteID() string { return l.cfg.RemoteID }

// runOwner runs commands one by one, and negotiates after each if that is due.
func (l *Link) runOwner() {
	defer close(l.ended)
	defer l.repeat.Stop()
	reports := time.NewTicker(senderReportEvery)
	defer reports.Stop()
	for {
		select {
		case <-l.quit:
			return
		case c := <-l.commands:
			c.done <- l.guarded(c.do)
		case <-l.changed:
			l.noteState()
		case now := <-reports.C:
			_ = l.guarded(func() error { return l.sendReports(now) }) // a link that cannot send now says it later
		case <-l.repeat.C:
			if err := l.guarded(l.repeatOffer); err != nil {
				l.log.Info("repeat offer", "error", err)
			}
		}
		if err := l.guarded(l.negotiateIfDue); err != nil {
			l.log.Warn("negotiate", "error", err)
		}
	}
}

// guarded turns a panic inside pion, which parses what the other side sent, into an error.
func (l *Link) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.notePanic(p)
			err = fmt.Errorf("%w: internal error", ErrBadSignal)
		}
	}()
	return do()
}

// notePanic logs the first few, since the other side may send what leads to one again and again.
func (l *Link) notePanic(p any) {
	if l.panics.Add(1) <= loggedPanics {
		l.log.Error("link panicked", "panic", p, "stack", string(debug.Stack()))
	}
}

func (l *Link) writeRTCP(packets []rtcp.Packet) error {
	return l.guarded(func() error { return l.pc.WriteRTCP(packets) })
}

// call runs a command on the owner goroutine.
func (l *Link) call(do func() error) error {
	c := command{do: do, done: make(chan error, 1)}
	select {
	case l.commands <- c:
	case <-l.quit:
		return ErrClosed
	}
	select {
	case err := <-c.done:
		return err
	case <-l.ended:
		return ErrClosed
	}
}

// noteState publishes pc's present state; pion's callbacks may come out of order.
func (l *Link) noteState() {
	state := linkState(l.pc.ConnectionState())
	if state == *l.state.Load() {
		return
	}
	if m := l.factory.cfg.Mux; m != nil && state == StateFailed && *l.state.Load() == StateConnecting && l.isUnproven() {
		m.counted.unproven.Add(1)
	}
	l.state.Store(&state)
	if state == StateConnected && l.reach != nil {
		l.reach.found()
	}
	l.notices.push(notice{state: state})
}

// isUnproven tells whether it was DTLS that failed, or was ended by the other side, on a way that is there.
// That the checks have succeeded is told later than it is so, and when DTLS ends ICE may be closed already:
// what counts is that they have not failed.
func (l *Link) isUnproven() bool {
	select {
	case <-l.quit: // closed by this side
		return false
	default:
	}
	ice, secured := l.pc.ICEConnectionState(), l.pc.SCTP().Transport().State()
	return ice != webrtc.ICEConnectionStateFailed && ice != webrtc.ICEConnectionStateDisconnected &&
		(secured == webrtc.DTLSTransportStateFailed || secured == webrtc.DTLSTransportStateClosed)
}

func linkState(s webrtc.PeerConnectionState) State {
	switch s {
	case webrtc.PeerConnectionStateConnecting:
		return StateConnecting
	case webrtc.PeerConnectionStateConnected:
		return StateConnected
	case webrtc.PeerConnectionStateDisconnected:
		return StateDisconnected
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed: // closed by the other side
		return StateFailed
	}
	return StateNew
}

// noteRestart keeps when either side began to look for another way.
func (l *Link) noteRestart() {
	now := time.Now()
	l.restart.Store(&now)
}

func (l *Link) lastRestart() time.Time {
	if at := l.restart.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// remoteTrack runs on a goroutine of pion's for each track.
func (l *Link) remoteTrack(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	l.mu.Lock()
	if l.closed || l.cfg.OnTrack == nil {
		l.mu.Unlock()
		return
	}
	l.wg.Add(2)
	l.mu.Unlock()
	s := newSubscriber(track, receiver, &l.inbox, l.log)
	s.sparing = &l.sparing
	ssrc := uint32(track.SSRC())
	l.inbox.onReports(ssrc, func(reports []byte) {
		_ = l.guarded(func() error { return s.takeSenderReports(reports, time.Now()) }) // the next says it again
	})
	defer l.inbox.onReports(ssrc, nil)
	go func() {
		defer l.wg.Done()
		s.runFeedback(l.writeRTCP)
	}()
	defer l.wg.Done()
	defer close(s.ended)
	l.cfg.OnTrack(s)
}

// Close ends the link and waits for its goroutines, those of OnTrack included.
func (l *Link) Close() error {
	l.closing.Do(func() {
		l.factory.forget(l)
		close(l.quit)
		<-l.ended
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		if l.reach != nil {
			l.reach.close() // pion waits for what is under way
		}
		err := l.pc.GracefulClose()
		l.releaseTracks()
		if err != nil {
			l.closeErr = fmt.Errorf("close peer connection: %w", err)
		}
		last := StateClosed
		l.state.Store(&last)
		l.notices.push(notice{state: last})
		l.notices.close()
		l.wg.Wait()
	})
	return l.closeErr
}

// runNotices makes the callbacks in order.
func (l *Link) runNotices() {
	for {
		n, ok := l.notices.pop()
		if !ok {
			return
		}
		switch {
		case n.signal != nil:
			l.cfg.Send(n.signal)
		case l.cfg.OnState != nil:
			l.cfg.OnState(n.state)
		}
	}
}
