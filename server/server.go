package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"gasso/assets/listener"
	"gasso/net/clocksync"
	"gasso/net/peer"
	"gasso/server/invite"
	"gasso/server/journal"
	"gasso/server/limits"
	"gasso/server/room"
	"gasso/server/state"
	"gasso/server/turnserver"
)

// Server is one companion server.
type Server struct {
	cfg     Config
	log     *slog.Logger
	base    string // what links start with
	ffmpeg  string // empty: Opus only
	pages   pages
	proxies proxies
	tls     *tls.Config  // nil: plain HTTP
	reload  func() error // certificate files

	clock    *clocksync.Anchor
	store    *state.Store
	journal  *journal.Journal
	invites  *invite.Signer
	gate     *gate
	mux      *peer.Mux
	media    *peer.Factory
	turn     *turnserver.Server   // nil: no relay
	split    *turnserver.Splitter // nil: the public port is HTTP's alone
	registry *room.Registry

	public, ops, control net.Listener // ops may be nil
	turnPorts            struct{ plain, tls int }
	turnSecret           []byte

	draining atomic.Bool
	closers  []func() error // undone in reverse order

	mu         sync.Mutex
	open       map[string]bool       // rooms whose performers need no invite
	broadcasts map[string]*broadcast // by room, from the room's creation on
	statuses   map[string]cachedStatus
}

// New checks the configuration and opens state and sockets, so that what is in the way is said
// before anything runs. Run must follow: it also closes what New opened.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, log: cfg.Log,
		open: map[string]bool{}, broadcasts: map[string]*broadcast{}, statuses: map[string]cachedStatus{},
	}
	for _, step := range []func() error{s.openFolder, s.openSockets, s.openTLS, s.openMedia, s.openTURN, s.openPages, s.openRooms} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// openFolder opens what is on disk, the folder's lock first.
func (s *Server) openFolder() (err error) {
	if err := prepareFolder(s.cfg.Data); err != nil {
		return err
	}
	lock, err := lockFolder(s.cfg.Data)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, lock.Close)
	s.openClock()
	if s.control, err = listenControl(s.cfg.Data); err != nil {
		return err
	}
	s.closers = append(s.closers, closeListener(s.control))
	if s.invites, err = invite.Open(s.cfg.Data); err != nil {
		return err
	}
	if s.store, err = state.Open(s.cfg.Data); err != nil {
		return err
	}
	s.closers = append(s.closers, s.store.Close)
	if err := s.store.Prune(time.Now()); err != nil {
		return err
	}
	if err := s.openJournal(); err != nil {
		return err
	}
	s.gate = &gate{invites: s.invites, store: s.store, open: s.isOpen, now: time.Now}
	return nil
}

func (s *Server) openSockets() (err error) {
	if s.public, err = listen("http", s.cfg.httpAddress()); err != nil {
		return err
	}
	s.closers = append(s.closers, closeListener(s.public))
	if s.public, err = s.cfg.limitConnections(s.public); err != nil {
		return err
	}
	s.base = s.cfg.base(s.public.Addr())
	if s.proxies, err = s.cfg.proxies(); err != nil {
		return err
	}
	if a := s.cfg.opsAddress(); a != "" {
		if s.ops, err = listen("ops", a); err != nil {
			return err
		}
		s.closers = append(s.closers, closeListener(s.ops))
	}
	return nil
}

func (s *Server) openTLS() (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	s.closers = append(s.closers, func() error { cancel(); return nil })
	s.tls, s.reload, err = s.cfg.tlsConfig(ctx, s.public.Addr(), s.log)
	return err
}

func (s *Server) openMedia() error {
	muxConfig, err := s.cfg.muxConfig(s.log)
	if err != nil {
		return err
	}
	if s.mux, err = peer.NewMux(muxConfig); err != nil {
		return fmt.Errorf("media ports: %w: choose others with --rtc-udp and --rtc-tcp", err)
	}
	s.media, err = peer.NewFactory(peer.Config{Mux: s.mux, Loopback: s.cfg.Dev, Log: s.log})
	if err != nil {
		return errors.Join(err, s.mux.Close())
	}
	s.closers = append(s.closers, s.media.Close) // closes the mux too
	return nil
}

// muxConfig is what the media ports are opened with.
func (c *Config) muxConfig(log *slog.Logger) (peer.MuxConfig, error) {
	first, last, err := c.udpPorts()
	if err != nil {
		return peer.MuxConfig{}, err
	}
	tcp, err := c.tcpPort()
	if err != nil {
		return peer.MuxConfig{}, err
	}
	announce, err := c.announced()
	m := peer.MuxConfig{UDP: portRange(first, last), Loopback: c.Dev, Announce: announce, Log: log}
	if tcp >= 0 {
		m.TCP = portRange(tcp, tcp)
	}
	return m, err
}

func portRange(first, last int) *peer.PortRange {
	return &peer.PortRange{Min: uint16(first), Max: uint16(last)} // validated
}

func (s *Server) openPages() (err error) {
	if s.pages, err = loadPages(listener.FS()); err != nil {
		return err
	}
	if s.cfg.FFmpeg == off {
		s.log.Info("ffmpeg is off: the broadcast is Opus only, and some Apple devices cannot play it")
	} else if s.ffmpeg, err = exec.LookPath(s.cfg.FFmpeg); err != nil {
		s.log.Warn("ffmpeg not found: the broadcast is Opus only, and some Apple devices cannot play it; install ffmpeg or give --ffmpeg PATH",
			"ffmpeg", s.cfg.FFmpeg)
	}
	return nil
}

// openRooms makes the registry and the rooms that exist from the start.
func (s *Server) openRooms() error {
	resumeKey, err := s.invites.Derive("resume")
	if err != nil {
		return err
	}
	s.registry = room.NewRegistry(room.Config{
		Clock: s.clock, Authorizer: s.gate, Media: s.media,
		Limits: limits.New(limits.Config{
			Rooms: s.cfg.Limits.Rooms, PerRoom: s.cfg.Limits.Participants,
			MemoryBytes: int64(s.cfg.Limits.MemoryMB) << 20, PacketsASecond: s.cfg.Limits.PacketsPerSecond,
			MemoryUsed: s.cfg.memoryUsed,
		}),
		NewBroadcast: s.newBroadcast, CheckOrigin: s.sameOrigin, ResumeKey: resumeKey,
		Transport: s.transportOptions, Left: s.releaseRelays,
		Journal: s.journal, ProgramDelay: s.cfg.Delay, Log: s.log,
	})
	s.closers = append(s.closers, s.closeRooms)
	return s.restoreRooms()
}

// HTTPAddr is where pages, API and signaling are served.
func (s *Server) HTTPAddr() net.Addr { return s.public.Addr() }

// OpsAddr is where health and metrics are served; nil when nowhere.
func (s *Server) OpsAddr() net.Addr {
	if s.ops == nil {
		return nil
	}
	return s.ops.Addr()
}

// Reload reads the certificate files again.
func (s *Server) Reload() error { return s.reload() }

// Bounds of the end: drainTimeout of what comes before it in good order, closeTimeout of each step. All
// together end within a minute.
const (
	drainTimeout = 40 * time.Second
	closeTimeout = 5 * time.Second
)

// Run serves until ctx ends, then tells everybody and closes what New opened. It returns nil when it
// was ctx that ended it.
func (s *Server) Run(ctx context.Context) error {
	public := newHTTPServer(s.handler(), s.log)
	public.TLSConfig = s.tls
	failed := make(chan error, 3)
	var wg sync.WaitGroup
	serve := func(h *http.Server, l net.Listener) {
		wg.Go(func() {
			var err error
			if h.TLSConfig != nil && s.split == nil {
				err = h.ServeTLS(l, "", "")
			} else {
				err = h.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		})
	}
	servers := []*http.Server{public, newHTTPServer(s.controlHandler(), s.log)}
	if s.split != nil {
		serve(public, s.split.HTTP())
	} else {
		serve(public, s.public)
	}
	serve(servers[1], s.control)
	if s.ops != nil {
		servers = append(servers, newHTTPServer(s.opsHandler(), s.log))
		serve(servers[2], s.ops)
	}
	var err error
	s.log.Info("server runs", "http", s.public.Addr().String(), "base", s.base, "udp", s.mux.UDPPorts(), "tcp", s.mux.TCPPort(), "turn", s.turnPorts.plain)
	select {
	case <-ctx.Done():
		s.drain()
	case err = <-failed:
	}
	s.log.Info("server ends")
	s.draining.Store(true)
	err = errors.Join(err, s.closeRooms())
	for _, h := range servers {
		err = errors.Join(err, shutdown(h))
	}
	wg.Wait()
	return errors.Join(err, s.close())
}

// drain ends what can be ended in good order, while the server still serves.
func (s *Server) drain() {
	s.log.Info("server drains")
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	s.registry.Drain(ctx)
}

// shutdown lets requests that are under way finish, but not for long.
func shutdown(h *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		return h.Close()
	}
	return nil
}

// close undoes what New did, the last first.
func (s *Server) close() (err error) {
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		err = errors.Join(err, s.closers[last]())
		s.closers = s.closers[:last]
	}
	return err
}

// closeListener closes a listener that its server may have closed already.
func closeListener(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
