//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/garbage"
	"gasso/server/sfu"
)

// backend is what a server process forwards with.
type backend interface {
	join(id string, publishes bool) error
	signal(id string, s *signaling.Signal) error
	close()
}

// runServer serves the clients that standard input tells of, until it ends.
func runServer(kind string, publishers int, profile string) error {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	send := func(id string, s *signaling.Signal) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(message{ID: id, Signal: s, Collect: id == ""}) // ends with standard input
	}
	var b backend
	var err error
	switch kind {
	case "gasso":
		garbage.Limit() // as gasso-server does
		b, err = newGassoBackend(publishers, send)
	case "pion":
		b, err = newPionBackend(publishers, send)
	default:
		err = fmt.Errorf("there is no server %q", kind)
	}
	if err != nil {
		return err
	}
	defer b.close()
	if profile == "" {
		return serve(b, send)
	}
	cpu, err := os.Create(profile)
	if err != nil {
		return err
	}
	defer func() { _ = cpu.Close() }()
	memory, err := os.Create(profile + ".heap")
	if err != nil {
		return err
	}
	defer func() { _ = memory.Close() }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = serve(b, send)
	pprof.StopCPUProfile()
	return errors.Join(err, pprof.WriteHeapProfile(memory))
}

// serve does what standard input says until it ends.
func serve(b backend, send func(string, *signaling.Signal)) error {
	send("", nil)
	for lines := json.NewDecoder(os.Stdin); ; {
		var m message
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var err error
		if m.Collect {
			debug.FreeOSMemory()
			send("", nil)
		} else if m.Signal == nil {
			err = b.join(m.ID, m.Publishes)
		} else {
			err = b.signal(m.ID, m.Signal)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.ID, err)
		}
	}
}

// gassoBackend is the forwarding of Gasso's server.
type gassoBackend struct {
	publishers int
	send       func(string, *signaling.Signal)
	factory    *peer.Factory
	forwarder  *sfu.Forwarder
	links      map[string]*peer.Link
}

func newGassoBackend(publishers int, send func(string, *signaling.Signal)) (*gassoBackend, error) {
	mux, err := peer.NewMux(peer.MuxConfig{UDP: &peer.PortRange{}, Loopback: true})
	if err != nil {
		return nil, err
	}
	factory, err := peer.NewFactory(peer.Config{Mux: mux, Loopback: true})
	if err != nil {
		return nil, err
	}
	return &gassoBackend{
		publishers: publishers, send: send, factory: factory, forwarder: sfu.New(), links: map[string]*peer.Link{},
	}, nil
}

func (b *gassoBackend) join(id string, publishes bool) error {
	link, err := b.factory.NewLink(peer.LinkConfig{
		LocalID: signaling.ServerID, RemoteID: id, Offerer: true,
		Send: func(s *signaling.Signal) { b.send(id, s) },
		OnTrack: func(s *peer.Subscriber) {
			track := b.forwarder.Publish(id)
			if err := s.Run(func(p *packet.Packet, _ time.Time) { track.Forward(p) }, near); err != nil {
				fmt.Fprintln(os.Stderr, "gasso:", err)
			}
		},
	})
	if err != nil {
		return err
	}
	b.links[id] = link
	for i := range b.publishers {
		if publishes {
			break
		}
		if err := b.forwarder.Subscribe(publisherID(i), link, id); err != nil {
			return err
		}
	}
	return link.Negotiate()
}

func near(time.Time) int64 { return firstSample }

func (b *gassoBackend) signal(id string, s *signaling.Signal) error { return b.links[id].Handle(s) }

func (b *gassoBackend) close() { _ = b.factory.Close() }

// pionBackend is pion as its examples use it: default interceptors, one TrackLocalStaticRTP for each
// publisher, one UDP port for all.
type pionBackend struct {
	send   func(string, *signaling.Signal)
	api    *webrtc.API
	tracks map[string]*webrtc.TrackLocalStaticRTP
	peers  map[string]*webrtc.PeerConnection
}

func newPionBackend(publishers int, send func(string, *signaling.Signal)) (*pionBackend, error) {
	media, interceptors := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	if err := webrtc.RegisterDefaultInterceptors(media, interceptors); err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	setting := loopbackSetting()
	setting.SetICEUDPMux(webrtc.NewICEUDPMux(nil, conn))
	b := &pionBackend{
		send:   send,
		api:    webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(setting)),
		tracks: map[string]*webrtc.TrackLocalStaticRTP{}, peers: map[string]*webrtc.PeerConnection{},
	}
	for i := range publishers {
		id := publisherID(i)
		if b.tracks[id], err = webrtc.NewTrackLocalStaticRTP(opusCapability(), "audio", id); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *pionBackend) join(id string, publishes bool) error {
	pc, err := b.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	b.peers[id] = pc
	if publishes {
		_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	}
	for i := 0; i < len(b.tracks) && !publishes && err == nil; i++ {
		var sender *webrtc.RTPSender
		if sender, err = pc.AddTrack(b.tracks[publisherID(i)]); err == nil {
			go drain(sender)
		}
	}
	if err != nil {
		return err
	}
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { forward(remote, b.tracks[id]) })
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	b.send(id, &signaling.Signal{Description: &signaling.Description{Type: "offer", SDP: pc.LocalDescription().SDP}})
	return nil
}

func drain(sender *webrtc.RTPSender) {
	for buf := make([]byte, 1500); ; {
		if _, _, err := sender.Read(buf); err != nil {
			return
		}
	}
}

func forward(from *webrtc.TrackRemote, to *webrtc.TrackLocalStaticRTP) {
	for buf := make([]byte, 1500); ; {
		n, _, err := from.Read(buf)
		if err != nil {
			return
		}
		_, _ = to.Write(buf[:n]) // an unconnected peer is no reason to stop
	}
}

func (b *pionBackend) signal(id string, s *signaling.Signal) error {
	return b.peers[id].SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.Description.SDP})
}

func (b *pionBackend) close() {
	for _, pc := range b.peers {
		_ = pc.Close()
	}
}
