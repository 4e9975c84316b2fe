package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/opus"
	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const toneFrame = 480 // samples of the test performer's packets

// testPerformer joins a room, plays a tone and keeps what it hears, through the server alone.
type testPerformer struct {
	t      *testing.T
	joined *signaling.Joined
	conn   *signaling.Conn
	link   *peer.Link
	clock  *clocksync.Estimator

	mu    sync.Mutex
	heard map[string][]float32 // by origin, interleaved stereo
	got   []signaling.Message  // everything else

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// joinRoom joins with the token of an invite link and plays a tone of freq hertz; 0 plays nothing.
func joinRoom(t *testing.T, link, name string, freq float64) *testPerformer {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := signaling.Dial(ctx, "ws://"+u.Host+"/ws", nil, nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	p := &testPerformer{t: t, conn: conn, clock: clocksync.New(), heard: map[string][]float32{}, stop: cancel}
	t.Cleanup(p.close)
	send(t, conn, &signaling.JoinRoom{
		Protocol: signaling.ProtocolVersion, RoomID: strings.TrimPrefix(u.Path, "/join/"), UserID: name, Token: u.Fragment,
		Topology: signaling.TopologySFU,
	})
	m, err := conn.Receive()
	if err != nil {
		t.Fatal(err)
	}
	joined, ok := m.(*signaling.Joined)
	if !ok {
		t.Fatalf("got %T %+v, want joined", m, m)
	}
	p.joined = joined
	p.openLink(ctx, freq)
	return p
}

func (p *testPerformer) openLink(ctx context.Context, freq float64) {
	factory, err := peer.NewFactory(peer.Config{Loopback: p.joined.TransportOptions.Loopback})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = factory.Close() })
	publisher := peer.NewPublisher(p.joined.ParticipantID)
	p.link, err = factory.NewLink(peer.LinkConfig{
		LocalID: p.joined.ParticipantID, RemoteID: signaling.ServerID, OnTrack: p.runHear,
		Send: func(s *signaling.Signal) { _ = p.conn.Send(s) },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := publisher.AttachTo(p.link); err != nil {
		p.t.Fatal(err)
	}
	p.wg.Go(func() { p.runReceive(ctx) })
	p.wg.Go(func() { p.runPlay(ctx, publisher, freq) })
}

func (p *testPerformer) runReceive(ctx context.Context) {
	for {
		m, err := p.conn.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *signaling.Signal:
			// A room that ends closes its links while offers are still on their way.
			if err := p.link.Handle(m); err != nil && !errors.Is(err, peer.ErrClosed) && !errors.Is(err, peer.ErrStartOver) {
				p.t.Errorf("handle signal: %v", err)
			}
		case *signaling.ClockPong:
			p.clock.Add(time.Unix(0, m.ID), time.Now(), m.ReceivedNS, m.AnsweredNS)
		default:
			p.mu.Lock()
			p.got = append(p.got, m)
			p.mu.Unlock()
		}
	}
}

// runPlay publishes the tone by room time; the test runs on the clock of the server's machine.
func (p *testPerformer) runPlay(ctx context.Context, publisher *peer.Publisher, freq float64) {
	if freq == 0 {
		return
	}
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 128000, FrameSamples: toneFrame, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		p.t.Error(err)
		return
	}
	defer encoder.Close()
	tone := audiotest.Tone(freq, -12, packet.SampleRate, 2)
	id := packet.NewPublicationID()
	_ = p.conn.Send(&signaling.Publication{ID: id, Channels: 2, FrameSamples: toneFrame, LookAheadSamples: encoder.LookAheadSamples()})
	payload := make([]byte, 1275)
	tick := time.NewTicker(time.Second * toneFrame / packet.SampleRate)
	defer tick.Stop()
	first := clocksync.SampleAt(time.Now().UnixNano())
	for number := int64(0); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := int(number*toneFrame%packet.SampleRate) * 2
		n, err := encoder.Encode(tone[at:at+toneFrame*2], payload)
		if err != nil {
			p.t.Error(err)
			return
		}
		_ = publisher.Write(&packet.Packet{
			Publication: id, Number: number, FirstSample: first + number*toneFrame, Samples: toneFrame, Payload: payload[:n],
		})
	}
}

// runHear decodes one origin.
func (p *testPerformer) runHear(s *peer.Subscriber) {
	decoder, err := opus.NewDecoder(2)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer decoder.Close()
	pcm := make([]float32, 5760*2)
	_ = s.Run(func(pk *packet.Packet, _ time.Time) {
		n, err := decoder.Decode(pcm, pk.Payload)
		if err != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.heard[s.StreamID()] = append(p.heard[s.StreamID()], pcm[:n*2]...)
	}, func(now time.Time) int64 { return clocksync.SampleAt(now.UnixNano()) })
}

// hears waits for a second of an origin and returns its newest half.
func (p *testPerformer) hears(origin *testPerformer) []float32 {
	p.t.Helper()
	var pcm []float32
	waitFor(p.t, 15*time.Second, "sound of "+origin.joined.ParticipantID, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		heard := p.heard[origin.joined.ParticipantID]
		if len(heard) < packet.SampleRate*2 {
			return false
		}
		pcm = append([]float32(nil), heard[len(heard)-packet.SampleRate:]...)
		return true
	})
	return pcm
}

func (p *testPerformer) close() {
	p.stop()
	_ = p.conn.Close(nil)
	if p.link != nil {
		_ = p.link.Close()
	}
	p.wg.Wait()
}

func send(t *testing.T, conn *signaling.Conn, m signaling.Message) {
	t.Helper()
	if err := conn.Send(m); err != nil {
		t.Fatal(err)
	}
}

// waitFor polls until done, since sockets and processes have a time of their own.
func waitFor(t *testing.T, most time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come within %s", what, most)
		}
	}
}

// resume joins the demo with an earlier participant id.
func resume(t *testing.T, s *Server, id, secret string) *signaling.Joined {
	t.Helper()
	conn, err := signaling.Dial(context.Background(), strings.Replace(s.base, "http", "ws", 1)+"/ws", nil, nil)
	must(t, err)
	defer func() { _ = conn.Close(nil) }()
	send(t, conn, &signaling.JoinRoom{
		Protocol: signaling.ProtocolVersion, RoomID: demoRoom, UserID: "x",
		Resume: &signaling.Resume{ParticipantID: id, Secret: secret},
	})
	m, err := conn.Receive()
	must(t, err)
	joined, ok := m.(*signaling.Joined)
	if !ok {
		t.Fatalf("got %T %+v, want joined", m, m)
	}
	return joined
}
