package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gasso/net/clocksync"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const firstPings = 8

// sender is a light performer: it sends packets that were encoded before, through the server, and
// hears nobody.
type sender struct {
	packets [][]byte
	clock   *clocksync.Estimator
	conn    *signaling.Conn
	link    *peer.Link
	self    string
}

// runSender joins the room demo of a server and sends until ctx ends.
func runSender(ctx context.Context, base, name string, packets [][]byte) error {
	conn, err := signaling.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"/ws", nil, nil)
	if err != nil {
		return fmt.Errorf("join as %s: %w", name, err)
	}
	defer context.AfterFunc(ctx, func() { conn.Finish(nil) })()
	s := &sender{packets: packets, clock: clocksync.New(), conn: conn}
	err = s.run(ctx, name)
	if ctx.Err() != nil {
		err = nil // whatever the end broke
	}
	_ = conn.Close(nil)
	return err
}

func (s *sender) run(ctx context.Context, name string) error {
	err := s.conn.Send(&signaling.JoinRoom{
		Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: name, Topology: signaling.TopologySFU,
	})
	if err != nil {
		return fmt.Errorf("join as %s: %w", name, err)
	}
	m, err := s.conn.Receive()
	if err != nil {
		return fmt.Errorf("join as %s: %w", name, err)
	}
	joined, ok := m.(*signaling.Joined)
	if !ok {
		return fmt.Errorf("join as %s: the server answers with %T", name, m)
	}
	s.self = joined.ParticipantID
	factory, err := peer.NewFactory(peer.Config{Loopback: joined.TransportOptions.Loopback})
	if err != nil {
		return fmt.Errorf("prepare connection of %s: %w", name, err)
	}
	publisher := peer.NewPublisher(s.self)
	s.link, err = factory.NewLink(peer.LinkConfig{
		LocalID: s.self, RemoteID: signaling.ServerID, OnTrack: s.discard,
		Send: func(m *signaling.Signal) { _ = s.conn.Send(m) },
	})
	if err == nil {
		err = publisher.AttachTo(s.link)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("connect %s: %w", name, err), factory.Close())
	}
	var sending sync.WaitGroup
	sending.Go(func() { s.runSend(ctx, publisher) })
	err = s.converse()
	sending.Wait()
	return errors.Join(err, factory.Close())
}

// converse answers the server until the connection ends.
func (s *sender) converse() error {
	for {
		m, err := s.conn.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *signaling.Signal:
			if m.From != signaling.ServerID {
				continue
			}
			if err := s.link.Handle(m); err != nil && !errors.Is(err, peer.ErrClosed) {
				return fmt.Errorf("handle signal: %w", err)
			}
		case *signaling.ClockPong:
			s.clock.Add(time.Unix(0, m.ID), time.Now(), m.ReceivedNS, m.AnsweredNS)
		}
	}
}

// runSend publishes the packets over and over, each when its last sample is spoken.
func (s *sender) runSend(ctx context.Context, publisher *peer.Publisher) {
	tick := time.NewTicker(inTime(musicFrame))
	defer tick.Stop()
	for pings := 0; !s.clock.Ready() || pings < firstPings; pings++ {
		_ = s.conn.Send(&signaling.ClockPing{ID: time.Now().UnixNano()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	id := packet.NewPublicationID()
	_ = s.conn.Send(&signaling.Publication{ID: id, Channels: channels, FrameSamples: musicFrame, Music: true})
	pk := packet.Packet{Publication: id, Samples: musicFrame, FirstSample: s.clock.RoomSample(time.Now())}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for ; pk.FirstSample+musicFrame <= s.clock.RoomSample(now); pk.Number++ {
				pk.Payload = s.packets[pk.Number%int64(len(s.packets))]
				_ = publisher.Write(&pk) // what is not connected yet gets the next
				pk.FirstSample += musicFrame
			}
		}
	}
}

// discard reads what the server sends.
func (s *sender) discard(sub *peer.Subscriber) {
	_ = sub.Run(func(*packet.Packet, time.Time) {}, s.clock.RoomSample)
}
