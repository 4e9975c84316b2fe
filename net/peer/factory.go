// Package peer carries packets between two participants, or a participant and the server, over one
// WebRTC PeerConnection (a Link). It is the project's door to pion.
//
// A Publisher writes the packets of one origin to any number of links; a Subscriber reads the
// packets of one origin from one link. Opus at 48 kHz in stereo is the only medium. Packets keep
// their identity (package packet) in an RTP header extension; sequence numbers, SSRC and payload
// type belong to a link alone.
package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"

	"gasso/net/congestion"
	"gasso/net/packet"
	"gasso/net/signaling"
)

// How fast a link notices that the way to the other side is gone. Until it has failed it works again
// by itself when packets come again, so that it outlives what the server keeps participants for.
const (
	disconnectedAfter = 3 * time.Second
	failedAfter       = 72 * time.Second
	keepaliveEvery    = time.Second // also how often the round-trip time is measured
	offerRepeatEvery  = 3 * time.Second
)

const mimeTypeRED = "audio/red"

// opusCodec is the only codec, RED aside. minptime is left out, since pion would hold another value
// against the other side: RFC 7587's default of 3 ms suits, and frames of 2.5 ms are agreed in signaling.
func opusCodec() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType:    webrtc.MimeTypeOpus,
			ClockRate:   packet.SampleRate,
			Channels:    2,
			SDPFmtpLine: "useinbandfec=1;stereo=1;sprop-stereo=1;maxaveragebitrate=510000",
		},
		PayloadType: 111,
	}
}

// redCodec is redundant copies of Opus packets (RFC 2198), as browsers offer it. A side that lacks it
// gets plain Opus.
func redCodec() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType:    mimeTypeRED,
			ClockRate:   packet.SampleRate,
			Channels:    2,
			SDPFmtpLine: "111/111",
		},
		PayloadType: 63,
	}
}

// Config says how links reach the other side.
type Config struct {
	ICEServers []signaling.ICEServer // STUN and TURN; a server with a public address needs none
	Loopback   bool                  // everybody is on this machine: gather 127.0.0.1 alone
	Mux        *Mux                  // shared sockets of a server; nil: sockets of its own for each link
	Log        *slog.Logger          // nil: discard

	// For links with sockets of their own.
	Ways  Ways                                  // empty: auto
	TLS   *tls.Config                           // toward TURN servers; nil: the system's authorities
	Proxy func(*http.Request) (*url.URL, error) // toward TURN servers over TCP; nil: http.ProxyFromEnvironment

	network transport.Net // of tests; nil: the system's
}

// Factory makes links that share a configuration.
type Factory struct {
	cfg    Config
	log    *slog.Logger
	shards []shard       // of the Mux
	next   atomic.Uint64 // shard of the next link

	mu       sync.Mutex // guards what follows
	servers  []webrtc.ICEServer
	secure   map[string]bool // servers with TLS
	mayBlock bool            // a server is reached over TCP, where a write waits for the network
	links    map[*Link]struct{}
	closed   bool
}

// NewFactory checks the configuration. The factory owns cfg.Mux from now on, also when it fails.
func NewFactory(cfg Config) (*Factory, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Factory{cfg: cfg, log: cfg.Log, links: map[*Link]struct{}{}}
	if err := f.init(); err != nil {
		return nil, errors.Join(err, cfg.Mux.Close())
	}
	return f, nil
}

func (f *Factory) init() error {
	f.shards = []shard{{}}
	if f.cfg.Mux != nil {
		f.shards = f.cfg.Mux.shards
	}
	return f.SetICEServers(f.cfg.ICEServers)
}

// newAPI makes pion's constructor of one PeerConnection, on a shard or with a reach of its own, whose packets go
// to in: Opus with RED, the identity extension and transport-wide numbers. There is no interceptor: reports are
// our own, and repeats are asked for from the merged jitter buffer, not per transport.
func (f *Factory) newAPI(s shard, r *reach, in *inbox) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	for _, codec := range []webrtc.RTPCodecParameters{opusCodec(), redCodec()} {
		codec.RTCPFeedback = transportFeedback()
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("register %s: %w", codec.MimeType, err)
		}
	}
	for _, uri := range []string{packet.ExtensionURI, congestion.ExtensionURI} {
		extension := webrtc.RTPHeaderExtensionCapability{URI: uri}
		if err := media.RegisterHeaderExtension(extension, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("register header extension %s: %w", uri, err)
		}
	}
	setting, err := f.newSetting(s, r)
	if err != nil {
		return nil, err
	}
	setting.BufferFactory = in.open
	setting.DisableMediaEngineCopy(true) // it is of one PeerConnection anyway
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
		webrtc.WithSettingEngine(setting)), nil
}

func (f *Factory) newSetting(s shard, r *reach) (webrtc.SettingEngine, error) {
	e := webrtc.SettingEngine{LoggerFactory: pionLog{log: f.log}}
	e.SetICETimeouts(disconnectedAfter, failedAfter, keepaliveEvery)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetFireOnTrackBeforeFirstRTP(true)
	configureChannels(&e)
	e.SetSrflxAcceptanceMinWait(200 * time.Millisecond)
	e.SetPrflxAcceptanceMinWait(300 * time.Millisecond)
	e.SetRelayAcceptanceMinWait(600 * time.Millisecond)
	e.SetNetworkTypes([]webrtc.NetworkType{
		webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6,
	})
	e.SetIPFilter(func(ip net.IP) bool { return !ip.IsLinkLocalUnicast() })
	e.SetRemoteIPFilter(mayBeRemote)
	if f.cfg.Loopback {
		restrictToLoopback(&e)
	}
	if r != nil {
		r.configure(&e)
	}
	if f.cfg.Mux == nil {
		return e, nil
	}
	return e, f.cfg.Mux.configure(&e, s)
}

func restrictToLoopback(e *webrtc.SettingEngine) {
	e.SetIncludeLoopbackCandidate(true)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	e.SetIPFilter(net.IP.IsLoopback)
	e.SetRemoteIPFilter(net.IP.IsLoopback)
}

// SetICEServers changes the servers that links made from now on use (TURN credentials expire).
func (f *Factory) SetICEServers(servers []signaling.ICEServer) error {
	converted, mayBlock, secure, err := iceServers(servers)
	if err != nil {
		return err
	}
	// pion checks the servers when a PeerConnection is made; make one, so that a mistake shows here.
	api, err := f.newAPI(f.shards[0], nil, &inbox{})
	if err != nil {
		return err
	}
	probe, err := api.NewPeerConnection(webrtc.Configuration{ICEServers: converted})
	if err != nil {
		return fmt.Errorf("use ICE servers: %w", err)
	}
	if err := probe.GracefulClose(); err != nil {
		return fmt.Errorf("use ICE servers: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers, f.mayBlock, f.secure = converted, mayBlock, secure
	return nil
}

// newPeerConnection makes a PeerConnection on the next shard, or with a reach of its own where nothing is
// shared; what it receives goes to in. With channels its offers name data channels.
func (f *Factory) newPeerConnection(in *inbox, channels, toServer bool) (pc *webrtc.PeerConnection, r *reach, mayBlock bool, err error) {
	f.mu.Lock()
	servers, secure, mayBlock := f.servers, f.secure, f.mayBlock
	f.mu.Unlock()
	onShard := f.shards[f.next.Add(1)%uint64(len(f.shards))]
	if f.cfg.Mux == nil {
		if r, err = newReach(&f.cfg); err != nil {
			return nil, nil, false, err
		}
		r.toServer = toServer
		r.again(secure)
	}
	api, err := f.newAPI(onShard, r, in)
	if err != nil {
		return nil, nil, false, err
	}
	pc, err = api.NewPeerConnection(webrtc.Configuration{
		ICEServers:         servers,
		ICETransportPolicy: f.cfg.Ways.policy(),
		BundlePolicy:       webrtc.BundlePolicyMaxBundle,

		AlwaysNegotiateDataChannels: channels,
	})
	return pc, r, mayBlock, err
}

// register keeps a link until forget, so that Close can end it; false when the factory is closed.
func (f *Factory) register(l *Link) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.links[l] = struct{}{}
	return true
}

func (f *Factory) forget(l *Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, l)
}

// Close closes every link that is still open, waits for their goroutines and closes the Mux.
func (f *Factory) Close() error {
	f.mu.Lock()
	f.closed = true
	links := make([]*Link, 0, len(f.links))
	for l := range f.links {
		links = append(links, l)
	}
	f.mu.Unlock()
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = l.Close() })
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), f.cfg.Mux.Close())
}
