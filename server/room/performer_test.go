package room

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

// newMediaServer is newServer with real links on loopback.
func newMediaServer(t *testing.T, change func(*Config)) *server {
	t.Helper()
	factory := newFactory(t) // closed after the rooms
	return newServer(t, func(c *Config) {
		c.Media, c.Now = factory, time.Now
		if change != nil {
			change(c)
		}
	})
}

func newFactory(t *testing.T) *peer.Factory {
	t.Helper()
	f, err := peer.NewFactory(peer.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// performer is a client with a link to the server: it publishes a tone and keeps what it gets.
type performer struct {
	*client
	s         *server
	factory   *peer.Factory
	publisher *peer.Publisher
	ended     sync.WaitGroup

	mu       sync.Mutex
	channels []peer.ChannelConfig
	link     *peer.Link
	links    int
	received map[string][]packet.Packet // by origin
	errors   []string
	mix      *signaling.Publication
	last     *signaling.Closed
}

func (s *server) perform(m *signaling.JoinRoom) *performer { return s.performWith(m) }

// performWith is perform with data channels.
func (s *server) performWith(m *signaling.JoinRoom, channels ...peer.ChannelConfig) *performer {
	s.t.Helper()
	p := &performer{s: s, channels: channels, factory: newFactory(s.t), client: s.join(m), received: map[string][]packet.Packet{}}
	p.publisher = peer.NewPublisher(p.joined.ParticipantID)
	p.newLink()
	p.ended.Go(p.run)
	s.t.Cleanup(func() {
		_ = p.conn.Close(nil)
		p.ended.Wait()
	})
	return p
}

func (p *performer) newLink() {
	link, err := p.factory.NewLink(peer.LinkConfig{
		LocalID: p.joined.ParticipantID, RemoteID: signaling.ServerID, Channels: p.channels,
		Send: func(s *signaling.Signal) { _ = p.currentConn().Send(s) },
		OnTrack: func(sub *peer.Subscriber) {
			_ = sub.Run(func(got *packet.Packet, _ time.Time) {
				kept := *got
				kept.Payload = append([]byte(nil), got.Payload...)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.received[sub.StreamID()] = append(p.received[sub.StreamID()], kept)
			}, p.s.reg.cfg.Clock.Sample)
		},
	})
	if err != nil {
		p.t.Error(err)
		return
	}
	if err := p.publisher.AttachTo(link); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = link
	p.links++
}

func (p *performer) currentLink() *peer.Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link
}

func (p *performer) currentConn() *signaling.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// continueAs waits for the end of the connection and goes on with another one.
func (p *performer) continueAs(c *client) {
	p.ended.Wait()
	p.note(func() { p.client = c })
	p.ended.Go(p.run)
}

// run takes messages as the app does.
func (p *performer) run() {
	conn := p.currentConn()
	for {
		m, err := conn.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *signaling.Signal:
			err := p.currentLink().Handle(m)
			if errors.Is(err, peer.ErrStartOver) {
				_ = p.currentLink().Close()
				p.newLink()
				err = p.currentLink().Handle(m)
			}
			if err != nil {
				p.t.Errorf("signal from server: %v", err)
			}
		case *signaling.Error:
			p.note(func() { p.errors = append(p.errors, m.Code) })
		case *signaling.Publication:
			if m.ParticipantID == MixID {
				p.note(func() { p.mix = m })
			}
		case *signaling.Closed:
			p.note(func() { p.last = m })
		}
	}
}

func (p *performer) note(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *performer) count(origin string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.received[origin])
}

// play publishes a tone in real time until stop is closed.
func (p *performer) play(frequency float64, stop <-chan struct{}) {
	encoder, err := opus.NewEncoder(opus.EncoderConfig{Channels: 2, BitrateBPS: 128_000, FrameSamples: 240, Complexity: 1})
	if err != nil {
		p.t.Error(err)
		return
	}
	defer encoder.Close()
	pcm, payload := make([]float32, 480), make([]byte, 1275)
	first := p.s.reg.cfg.Clock.Sample(time.Now())
	_ = p.currentConn().Send(&signaling.Publication{ID: packet.NewPublicationID(), Generation: 7, Channels: 2, FrameSamples: 240})
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for number := int64(0); ; {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		for p.s.reg.cfg.Clock.Sample(time.Now()) >= first+240*(number+1) {
			for i := range 240 {
				v := float32(0.25 * math.Sin(2*math.Pi*frequency*float64(number*240+int64(i))/48000))
				pcm[2*i], pcm[2*i+1] = v, v
			}
			n, err := encoder.Encode(pcm, payload)
			if err != nil {
				p.t.Error(err)
				return
			}
			_ = p.publisher.Write(&packet.Packet{Generation: 7, Number: number, FirstSample: first + 240*number, Samples: 240, Payload: payload[:n]})
			number++
		}
	}
}

// start has performers play 440, 660, 880 ... Hz until the test ends.
func start(t *testing.T, performers ...*performer) {
	t.Helper()
	stop := make(chan struct{})
	var playing sync.WaitGroup
	for i, p := range performers {
		playing.Go(func() { p.play(440+220*float64(i), stop) })
	}
	t.Cleanup(func() {
		close(stop)
		playing.Wait()
	})
}

func performAs(topology signaling.Topology, receive signaling.Receive) *signaling.JoinRoom {
	m := joinAs(signaling.RolePerformer)
	m.Topology, m.Receive = topology, receive
	return m
}
