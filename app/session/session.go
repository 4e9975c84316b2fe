// Package session is one performer without a screen: microphone, loudspeaker, connections, and the
// conversation with the server. It knows nothing of windows; screens and scripts read Snapshots and
// call its methods.
package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"gasso/audio/mix"
	"gasso/net/backoff"
	"gasso/net/clocksync"
	"gasso/net/netwatch"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// Config says who joins what, and with which sound.
type Config struct {
	Server          string // base URL, such as https://gasso.example
	Room            string
	Name            string // for the others to read
	Token           string // of the invite; empty for an open room
	Input           string // device[:ID], file:PATH, tone:HZ or silence
	Output          string // device[:ID], file:PATH.wav or null
	SoundSystem     string // of the devices, one of SoundSystems; empty chooses
	FallBack        bool   // begin with the default device while the one asked for is not there
	Mode            Mode
	Topology        signaling.Topology
	Receive         signaling.Receive
	Processing      Processing
	Spool           SpoolConfig
	BitrateBPS      int    // 0 chooses by mode and processing
	BitrateMinBPS   int    // however short the uplink is; 0: 64 kbit/s for music, 24 for speech
	BitrateMaxBPS   int    // however much the uplink carries; 0: what is chosen
	NoiseModel      []byte // RNNoise; nil leaves noise suppression out
	CPULimitPercent int    // of one core, that the process shall keep to; 0 for none
	Ways            peer.Ways
	TLS             *tls.Config // toward the server and TURN servers; nil trusts the system's authorities
	AddressFile     string      // keeps where servers were, for a start without DNS; empty keeps nothing
	Log             *slog.Logger
}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second // so that a server that is there again is found within that
	lasting    = 2 * time.Second // a connection that was joined for that long was a success
	chatKept   = 200
	mostLinks  = 256
)

// Session is one performer in one room. All methods may be called from any goroutine.
type Session struct {
	cfg        Config
	log        *slog.Logger
	clock      *clocksync.Estimator
	clockwork  *clockwork // keeps clock right
	playout    *playout
	microphone *microphone
	governing  governing
	keeping    *keeping
	adaptation adaptation
	publisher  atomic.Pointer[peer.Publisher] // named after the participant id; nil before the first join
	sent       atomic.Pointer[spans]          // from first sample to sending, of the present publication
	announced  time.Time                      // when the delay was told last; of the goroutine of runLinks
	failing    chan *peer.Link                // links to restart; drop rule: the newest, but a room has fewer

	connector    *connector
	watchNetwork networkWatch
	redial       chan struct{} // one slot: try a new connection to the server now
	linkHint     chan struct{} // one slot: the network changed

	// linking is held while links are made, replaced or closed, by one goroutine at a time, so that a
	// performer's old link has ended before the next one delivers. It comes before mu, and nothing that
	// a link calls back takes it, since Close waits for those.
	linking sync.Mutex

	mu           sync.Mutex  // guards everything below
	renewal      *time.Timer // of credentials; nil where they hold for good
	state        State
	problems     problems
	conn         *signaling.Conn // nil while there is none
	self         identity
	room         signaling.Room
	publication  *signaling.Publication // the microphone's current one
	factory      *peer.Factory
	serverLink   *peer.Link
	performers   map[string]*performer
	order        []string // keys of performers, by joining
	programStrip map[string]signaling.StripChanged
	onAir        signaling.OnAirState
	reported     linkReport
	levels       map[string]Level // of the program's strips; key "" is the program
	monitor      Monitor
	chat         []ChatLine
}

// identity is who the server says we are.
type identity struct {
	id, secret string
	role       signaling.Role
}

// New checks the configuration; Run starts everything.
func New(cfg Config) (*Session, error) {
	if _, err := signalingURL(cfg.Server); err != nil {
		return nil, err
	}
	if cfg.Room == "" {
		return nil, errors.New("name the room to join")
	}
	if _, err := frameSamples(cfg.Mode); err != nil {
		return nil, err
	}
	if err := errors.Join(CheckCPULimit(cfg.CPULimitPercent), CheckSpoolMB(cfg.Spool.MB)); err != nil {
		return nil, err
	}
	if err := CheckBitrate(cfg.BitrateMinBPS, cfg.BitrateMaxBPS); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, log: cfg.Log.With("room", cfg.Room),
		clock:   clocksync.New(),
		failing: make(chan *peer.Link, mostLinks), redial: make(chan struct{}, 1), linkHint: make(chan struct{}, 1),
		watchNetwork: netwatch.Watch,
		state:        StateConnecting, performers: map[string]*performer{},
		programStrip: map[string]signaling.StripChanged{}, levels: map[string]Level{},
	}
	s.clockwork = newClockwork(s.clock)
	s.keeping = newKeeping()
	var err error
	if s.connector, err = newConnector(cfg.Server, cfg.TLS, cfg.AddressFile); err != nil {
		return nil, err
	}
	if s.playout, err = newPlayout(cfg.Output, s.log); err != nil {
		return nil, err
	}
	s.playout.fallBack = cfg.FallBack
	s.playout.leastAdd.Store(leastReserve(cfg.Mode))
	if s.microphone, err = newMicrophone(s); err != nil {
		return nil, err
	}
	if err := s.SetSoundSystem(cfg.SoundSystem); err != nil {
		return nil, err
	}
	s.SetCPULimit(cfg.CPULimitPercent)
	s.adaptation.init(&s.cfg)
	return s, nil
}

// Run joins the room and stays in it until ctx ends (nil) or the server says that this cannot work
// (an error in words). Lost connections are opened again, however long that takes. It can be called once.
func (s *Session) Run(ctx context.Context) error {
	speaking, fallSilent := context.WithCancel(ctx)
	defer fallSilent()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := s.openDevices(); err != nil {
		s.setState(StateEnded, err.Error())
		return err
	}
	s.openSpool()
	var running sync.WaitGroup
	running.Go(func() { s.playout.run(speaking) })
	running.Go(func() { s.microphone.run(speaking) })
	running.Go(func() {
		<-speaking.Done()
		s.microphone.close()
		s.playout.close()
		s.awaitKept(ctx)
		cancel()
	})
	running.Go(func() { s.runLinks(ctx) })
	running.Go(func() { s.runNetwork(ctx) })
	running.Go(func() { s.clockwork.run(ctx, s.send) })
	running.Go(func() { s.runGovernor(ctx) })
	running.Go(func() { s.runBackfill(ctx) })
	running.Go(func() { s.runAdaptation(ctx) })
	err := s.stayConnected(ctx)
	cancel()
	fallSilent()
	s.microphone.close() // unless that is done
	s.playout.close()
	s.linking.Lock()
	s.closeLinks()
	s.linking.Unlock()
	running.Wait()
	s.closeSpool()
	s.setMicrophoneProblem("")
	s.setState(StateEnded, problemOf(err))
	return err
}

func (s *Session) openDevices() error {
	if err := s.playout.open(); err != nil {
		return err
	}
	if err := s.microphone.open(s.playout.farEnd()); err != nil {
		s.playout.close()
		return err
	}
	return nil
}

// stayConnected serves one connection after another.
func (s *Session) stayConnected(ctx context.Context) error {
	wait := backoff.New(firstRetry, lastRetry, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	var conn *dialled
	for {
		var err error
		if conn == nil {
			conn, err = s.connector.connect(ctx, s.redial)
		}
		for conn != nil { // each but the first stands ready when the one before is given up
			began := time.Now()
			var joined bool
			joined, conn, err = s.serveConnection(ctx, conn)
			if joined && time.Since(began) > lasting {
				wait.Reset()
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		var refusal *signaling.Error
		if errors.As(err, &refusal) && !worthRetrying(refusal) {
			return refusal
		}
		delay := max(wait.Next(), retryAfter(err))
		s.log.Warn("connection to server lost", "error", err, "retry_in", delay)
		s.setState(StateReconnecting, fmt.Sprintf("%s Trying again in %.0f s.", problemOf(err), max(1, delay.Seconds())))
		select {
		case <-ctx.Done():
			return nil
		case <-s.redial: // the network changed
			wait.Reset()
		case <-time.After(delay):
		}
	}
}

func (s *Session) setState(state State, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.problems.connection = state, problem
}

// SetMuted silences the own microphone for everybody.
func (s *Session) SetMuted(muted bool) { s.microphone.setMuted(muted) }

// SetProcessing switches the microphone's stages while it runs. Music mode changes the encoder too.
func (s *Session) SetProcessing(p Processing) { s.microphone.setProcessing(p) }

// SetMode changes the packet length, with a new publication, and how much delay the others' packets
// may get. What is no mode changes nothing.
func (s *Session) SetMode(m Mode) {
	if _, err := frameSamples(m); err != nil || m == "" {
		return
	}
	s.microphone.setMode(m)
	s.playout.leastAdd.Store(leastReserve(m))
	for _, p := range *s.playout.performers.Load() {
		p.setMode(s.microphone.currentMode())
	}
}

// SetInput changes the microphone; before Run, the one to begin with. On an error the old one goes on.
func (s *Session) SetInput(spec string) error { return s.microphone.setInput(spec) }

// SetOutput changes the loudspeaker; before Run, the one to begin with. On an error the old one goes on.
func (s *Session) SetOutput(spec string) error {
	if err := s.playout.setOutput(spec); err != nil {
		return err
	}
	if far := s.playout.farEnd(); far != nil {
		s.microphone.setFarEnd(far)
	}
	return nil
}

// SetStrip changes how a performer sounds at this machine.
func (s *Session) SetStrip(id string, strip Strip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.performers[id]
	if p == nil {
		return
	}
	strip.GainDB = max(-80, min(12, strip.GainDB))
	strip.Pan = max(-1, min(1, strip.Pan))
	p.settings = strip
	s.applyStripsLocked()
}

// applyStripsLocked sets every local strip: while anybody is solo, the others are silent.
func (s *Session) applyStripsLocked() {
	solo := false
	for _, p := range s.performers {
		solo = solo || p.settings.Solo
	}
	for _, p := range s.performers {
		p.strip.Set(mix.Settings{
			GainDB: p.settings.GainDB, Pan: p.settings.Pan,
			Mute: p.settings.Mute || solo && !p.settings.Solo,
		})
	}
}

// SetProgramStrip changes a performer's strip in the program. The server refuses it to all but hosts.
func (s *Session) SetProgramStrip(id string, strip Strip) {
	_ = s.send(&signaling.StripSet{ParticipantID: id, GainDB: &strip.GainDB, Pan: &strip.Pan, Mute: &strip.Mute})
}

// SetOnAir starts or stops the broadcast. The server refuses it to all but hosts.
func (s *Session) SetOnAir(live bool) { _ = s.send(&signaling.OnAir{Live: live}) }

// SendChat sends a line to everybody in the room.
func (s *Session) SendChat(text string) error { return s.send(&signaling.Chat{Text: text}) }

var errNotConnected = errors.New("there is no connection to the server now")

// send passes a message to the server, if there is a connection.
func (s *Session) send(m signaling.Message) error {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn == nil {
		return errNotConnected
	}
	return conn.Send(m)
}
