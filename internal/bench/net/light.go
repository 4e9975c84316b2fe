package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"gasso/audio/opus"
	"gasso/internal/material"
	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	lightName    = "Light"
	fullName     = "Full"
	lightFrame   = 240 // samples: 5 ms
	lightBitrate = 96_000
	lightPings   = 8
	stereo       = 2
)

// light is a performer without an engine: it sends packets that were encoded before and hears nobody.
// Directly it sends to the one full performer only.
type light struct {
	name      string
	topology  signaling.Topology
	packets   [][]byte
	clock     *clocksync.Estimator
	conn      *signaling.Conn
	factory   *peer.Factory
	publisher *peer.Publisher
	self      string
	links     map[string]*peer.Link // by participant
}

// runLight joins a room as several light performers until the process is asked to end. It is a process
// of its own, so that it can be in a network of its own.
func runLight(base, ca string, topology signaling.Topology, n int) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	packets, err := lightMusic()
	if err != nil {
		return err
	}
	trusted, err := trusting(ca)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	failed := make([]error, n)
	for i := range n {
		running.Go(func() {
			l := &light{
				name: fmt.Sprint(lightName, i+1), topology: topology, packets: packets,
				clock: clocksync.New(), links: map[string]*peer.Link{},
			}
			failed[i] = l.run(ctx, base, trusted)
		})
	}
	running.Wait()
	return errors.Join(failed...)
}

// lightMusic is a piece in packets of 5 ms, stereo.
func lightMusic() ([][]byte, error) {
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: stereo, BitrateBPS: lightBitrate, FrameSamples: lightFrame, Complexity: 3, Application: opus.LowDelay,
	})
	if err != nil {
		return nil, fmt.Errorf("encode music: %w", err)
	}
	defer encoder.Close()
	packets, payload := [][]byte{}, make([]byte, 1275)
	for pcm := material.Music(1); len(pcm) >= stereo*lightFrame; pcm = pcm[stereo*lightFrame:] {
		n, err := encoder.Encode(pcm[:stereo*lightFrame], payload)
		if err != nil {
			return nil, fmt.Errorf("encode music: %w", err)
		}
		packets = append(packets, append([]byte(nil), payload[:n]...))
	}
	return packets, nil
}

// run joins and sends until ctx ends.
func (l *light) run(ctx context.Context, base string, trusted *tls.Config) (err error) {
	if l.conn, err = signaling.Dial(ctx, base+"/ws", nil, trusted); err != nil {
		return fmt.Errorf("join as %s: %w", l.name, err)
	}
	defer context.AfterFunc(ctx, func() { l.conn.Finish(nil) })()
	err = l.perform(ctx)
	if ctx.Err() != nil {
		err = nil // whatever the end broke
	}
	_ = l.conn.Close(nil)
	return err
}

func (l *light) perform(ctx context.Context) error {
	err := l.conn.Send(&signaling.JoinRoom{
		Protocol: signaling.ProtocolVersion, RoomID: roomID, UserID: l.name, Topology: l.topology,
	})
	if err != nil {
		return fmt.Errorf("join as %s: %w", l.name, err)
	}
	m, err := l.conn.Receive()
	if err != nil {
		return fmt.Errorf("join as %s: %w", l.name, err)
	}
	joined, ok := m.(*signaling.Joined)
	if !ok {
		return fmt.Errorf("join as %s: the server answers with %T", l.name, m)
	}
	l.self = joined.ParticipantID
	if l.factory, err = peer.NewFactory(peer.Config{}); err != nil {
		return fmt.Errorf("prepare connections of %s: %w", l.name, err)
	}
	l.publisher = peer.NewPublisher(l.self)
	var sending sync.WaitGroup
	defer func() { _ = l.factory.Close() }()
	defer sending.Wait()
	if err := l.connect(signaling.ServerID); err != nil {
		return err
	}
	for _, p := range joined.Participants {
		l.meet(p)
	}
	sending.Go(func() { l.runSend(ctx) })
	return l.converse()
}

// connect makes a connection with the server or another performer.
func (l *light) connect(remote string) error {
	link, err := l.factory.NewLink(peer.LinkConfig{
		LocalID: l.self, RemoteID: remote, Offerer: remote != signaling.ServerID && l.self < remote, OnTrack: l.discard,
		Send: func(m *signaling.Signal) { _ = l.conn.Send(m) },
	})
	if err == nil {
		err = l.publisher.AttachTo(link)
	}
	if err != nil {
		return fmt.Errorf("connect %s with %s: %w", l.name, remote, err)
	}
	if old := l.links[remote]; old != nil {
		_ = old.Close()
	}
	l.links[remote] = link
	return nil
}

// meet connects directly with the full performer and wants nothing forwarded of anybody.
func (l *light) meet(p signaling.Participant) {
	_ = l.conn.Send(&signaling.Forwarding{ParticipantID: p.ID, Level: signaling.ForwardOff})
	if p.Name != fullName || l.topology == signaling.TopologySFU || l.links[p.ID] != nil || l.connect(p.ID) != nil {
		return
	}
	if l.self < p.ID {
		_ = l.links[p.ID].Negotiate()
	}
}

// converse answers the server until the connection ends.
func (l *light) converse() error {
	for {
		m, err := l.conn.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *signaling.ParticipantJoined:
			l.meet(m.Participant)
		case *signaling.ClockPong:
			l.clock.Add(time.Unix(0, m.ID), time.Now(), m.ReceivedNS, m.AnsweredNS)
		case *signaling.Signal:
			if link := l.links[m.From]; link != nil {
				if err := link.Handle(m); err != nil && !errors.Is(err, peer.ErrClosed) {
					return fmt.Errorf("handle signal of %s: %w", m.From, err)
				}
			}
		}
	}
}

// runSend publishes the packets over and over, each when its last sample is spoken.
func (l *light) runSend(ctx context.Context) {
	tick := time.NewTicker(lightFrame * time.Second / packet.SampleRate)
	defer tick.Stop()
	for pings := 0; !l.clock.Ready() || pings < lightPings; pings++ {
		_ = l.conn.Send(&signaling.ClockPing{ID: time.Now().UnixNano()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	id := packet.NewPublicationID()
	_ = l.conn.Send(&signaling.Publication{ID: id, Channels: stereo, FrameSamples: lightFrame, Music: true})
	pk := packet.Packet{Publication: id, Samples: lightFrame, FirstSample: l.clock.RoomSample(time.Now())}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for ; pk.FirstSample+lightFrame <= l.clock.RoomSample(now); pk.Number++ {
				pk.Payload = l.packets[pk.Number%int64(len(l.packets))]
				_ = l.publisher.Write(&pk) // what is not connected yet gets the next
				pk.FirstSample += lightFrame
			}
		}
	}
}

// discard reads what others send.
func (l *light) discard(sub *peer.Subscriber) {
	_ = sub.Run(func(*packet.Packet, time.Time) {}, l.clock.RoomSample)
}
