//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"gasso/net/packet"
	"gasso/net/signaling"
)

const (
	payloadBytes = 160                           // 64 kbit/s at 20 ms
	remembered   = 1 << 14                       // packets of a publisher whose time of sending is known
	firstSample  = 1_800_000_000 * int64(48_000) // room time at which all begin
)

// schedule tells when packets were sent. The time stamp names publisher and packet, since it is the
// one thing that every server passes on in the clear.
type schedule struct {
	scenario scenario
	begun    time.Time
	sentAt   [][]atomic.Int64 // by publisher and number, in ns after begun
}

func newSchedule(s scenario) *schedule {
	c := &schedule{scenario: s, begun: time.Now(), sentAt: make([][]atomic.Int64, s.publishers)}
	for i := range c.sentAt {
		c.sentAt[i] = make([]atomic.Int64, remembered)
	}
	return c
}

func (c *schedule) samples() int64 { return int64(c.scenario.frame.Seconds() * packet.SampleRate) }

// sample is the room time of a publisher's packet: publishers are a sample apart.
func (c *schedule) sample(publisher int, number int64) int64 {
	return firstSample + number*c.samples() + int64(publisher)
}

// delay of a packet that comes now; false when no packet has that time stamp.
func (c *schedule) delay(timestamp uint32, now time.Time) (time.Duration, bool) {
	since := timestamp - uint32(c.sample(0, 0)) // modulo 2^32
	publisher, number := int(since%uint32(c.samples())), since/uint32(c.samples())
	if publisher >= len(c.sentAt) {
		return 0, false
	}
	sent := c.sentAt[publisher][number%remembered].Load()
	return now.Sub(c.begun) - time.Duration(sent), sent != 0
}

// signalWay is how a client's signals reach a server and back.
type signalWay interface {
	join(c *client, publishes bool) error
	signal(id string, s *signaling.Signal) error
}

// client is one PeerConnection toward a server.
type client struct {
	id        string
	way       signalWay
	pc        *webrtc.PeerConnection
	mux       *ice.UDPMuxDefault
	connected chan struct{}
	once      sync.Once
	failed    chan error
}

// newClient prepares a client whose packets come through conn.
func newClient(id string, way signalWay, conn net.PacketConn) (*client, error) {
	media := &webrtc.MediaEngine{}
	codec := webrtc.RTPCodecParameters{RTPCodecCapability: opusCapability(), PayloadType: 111}
	if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	extension := webrtc.RTPHeaderExtensionCapability{URI: packet.ExtensionURI}
	if err := media.RegisterHeaderExtension(extension, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	c := &client{id: id, way: way, connected: make(chan struct{}), failed: make(chan error, 1)}
	c.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	setting := loopbackSetting()
	setting.SetICEUDPMux(c.mux)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(setting),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	var err error
	if c.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return nil, errors.Join(err, c.mux.Close())
	}
	c.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			c.once.Do(func() { close(c.connected) })
		}
	})
	return c, nil
}

func opusCapability() webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: packet.SampleRate, Channels: 2}
}

func loopbackSetting() (e webrtc.SettingEngine) {
	e.SetIncludeLoopbackCandidate(true)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	e.SetIPFilter(net.IP.IsLoopback)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return e
}

// take acts on the server's signals and answers its offers.
func (c *client) take(s *signaling.Signal) {
	if err := c.apply(s); err != nil {
		c.fail(err)
	}
}

// fail keeps the first error for await.
func (c *client) fail(err error) {
	select {
	case c.failed <- fmt.Errorf("%s: %w", c.id, err):
	default:
	}
}

func (c *client) apply(s *signaling.Signal) error {
	if s.Candidate != nil {
		line := s.Candidate.SDPMLineIndex
		return c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: s.Candidate.Candidate, SDPMid: &s.Candidate.SDPMid, SDPMLineIndex: &line})
	}
	if s.Description == nil {
		return nil
	}
	remote := webrtc.SessionDescription{Type: webrtc.NewSDPType(s.Description.Type), SDP: s.Description.SDP}
	if err := c.pc.SetRemoteDescription(remote); err != nil || remote.Type == webrtc.SDPTypeAnswer {
		return err
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	description, err := c.describe(answer)
	if err != nil {
		return err
	}
	return c.way.signal(c.id, &signaling.Signal{Link: s.Link, Description: description})
}

// offer is for a server that answers.
func (c *client) offer() (*signaling.Description, error) {
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	return c.describe(offer)
}

// describe makes a description the local one and adds all candidates.
func (c *client) describe(local webrtc.SessionDescription) (*signaling.Description, error) {
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(local); err != nil {
		return nil, err
	}
	<-gathered
	return &signaling.Description{Type: local.Type.String(), SDP: c.pc.LocalDescription().SDP}, nil
}

// await waits for media to be possible.
func (c *client) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	select {
	case <-c.connected:
		return nil
	case err := <-c.failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s did not connect within %v", c.id, connectLimit)
	}
}

func (c *client) close() {
	_ = c.pc.Close()
	_ = c.mux.Close()
}

// publisher sends packets that look like Opus.
type publisher struct {
	*client
	index     int
	schedule  *schedule
	track     *webrtc.TrackLocalStaticRTP
	extension uint8
	number    int64
}

func newPublisher(s *schedule, index int, way signalWay) (*publisher, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	id := publisherID(index)
	c, err := newClient(id, way, conn)
	if err != nil {
		return nil, err
	}
	p := &publisher{client: c, index: index, schedule: s}
	if p.track, err = webrtc.NewTrackLocalStaticRTP(opusCapability(), trackID, id); err != nil {
		return nil, err
	}
	sender, err := c.pc.AddTrack(p.track)
	if err != nil {
		return nil, err
	}
	if err := way.join(c, true); err != nil {
		return nil, err
	}
	if err := c.await(); err != nil {
		return nil, err
	}
	for _, e := range sender.GetParameters().HeaderExtensions {
		if e.URI == packet.ExtensionURI {
			p.extension = uint8(e.ID)
		}
	}
	return p, nil
}

func publisherID(index int) string { return fmt.Sprintf("p%d", index) }

// send paces packets for a span.
func (p *publisher) send(span time.Duration) (sent int64) {
	frame := p.schedule.scenario.frame
	time.Sleep(frame * time.Duration(p.index) / time.Duration(p.schedule.scenario.publishers))
	tick := time.NewTicker(frame)
	defer tick.Stop()
	out := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, payloadBytes)}
	out.Payload[0] = p.toc()
	var identity [packet.ExtensionSize]byte
	for n := int64(span / frame); sent < n; sent++ {
		<-tick.C
		pk := packet.Packet{Generation: 1, Number: p.number, FirstSample: p.schedule.sample(p.index, p.number)}
		pk.PutExtension(&identity)
		out.Timestamp, out.SequenceNumber = pk.Timestamp(), uint16(p.number) // the low bits
		if p.extension != 0 {
			_ = out.SetExtension(p.extension, identity[:]) // fits
		}
		p.schedule.sentAt[p.index][p.number%remembered].Store(int64(time.Since(p.schedule.begun)))
		_ = p.track.WriteRTP(&out) // what is lost is counted at the receivers
		p.number++
	}
	return sent
}

// toc is the first byte of an Opus packet with one CELT frame of that length (RFC 6716, section 3.1).
func (p *publisher) toc() byte {
	if p.schedule.scenario.frame == 5*time.Millisecond {
		return 29<<3 | 4
	}
	return 31<<3 | 4
}

// subscriber counts what it is sent.
type subscriber struct {
	*client
	conn *countingConn
}

func newSubscriber(sweeper *sweeper, id string, way signalWay) (*subscriber, error) {
	conn, err := sweeper.open()
	if err != nil {
		return nil, err
	}
	c, err := newClient(id, way, conn)
	if err != nil {
		return nil, err
	}
	if err := way.join(c, false); err != nil {
		return nil, err
	}
	return &subscriber{client: c, conn: conn}, c.await()
}
