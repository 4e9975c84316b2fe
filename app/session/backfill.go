package session

import (
	"context"
	"slices"
	"time"

	"gasso/app/spool"
	"gasso/net/backfill"
	"gasso/net/peer"
	"gasso/net/signaling"
)

const (
	backfillInbox = 64                     // messages of the server
	backfillLook  = 20 * time.Millisecond  // between two messages to it
	pathLook      = 100 * time.Millisecond // between two looks whether anything reaches it
	pathSilent    = 1500 * time.Millisecond
	backfillQueue = 8 << 10 // bytes on the channel; more would only wait there
	backfillAhead = 8       // what is spare in an eighth of a second may be there, too: an uplink that shrinks is full of what is
)

// backfillChannel is what the sender needs of a data channel.
type backfillChannel interface {
	Send(message []byte) error
	Buffered() int
}

// config is the channel as the link with the server has it.
func (k *keeping) config() peer.ChannelConfig {
	return peer.ChannelConfig{
		Name: "backfill", ID: 2, Reliable: true,
		OnOpen: func(channel *peer.Channel) { k.open(channel) },
		OnClose: func(channel *peer.Channel) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.channel == channel {
				k.channel = nil
			}
		},
		OnMessage: func(_ *peer.Channel, message []byte) {
			select {
			case k.inbox <- slices.Clone(message): // borrowed
			default:
			}
		},
	}
}

func (k *keeping) open(channel backfillChannel) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.channel, k.opened = channel, true
}

// runBackfill tells the server what is kept and sends what it asks for, until ctx ends.
func (s *Session) runBackfill(ctx context.Context) {
	kept := s.keeping.spool.Load()
	if kept == nil {
		return
	}
	b := newBackfilling(s.keeping, kept, s.clock.RoomNS)
	tick := time.NewTicker(backfillLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-s.keeping.inbox:
			b.take(message)
		case now := <-tick.C:
			if now.Sub(b.looked) >= pathLook {
				received, connected := s.receivedFromServer()
				b.notePath(received, connected, now)
			}
			if sent := b.send(s.adaptation.spare(), now); sent > 0 {
				s.adaptation.spent(sent, now)
			}
		}
	}
}

// receivedFromServer counts the bytes of the link with the server; false without a connected one.
func (s *Session) receivedFromServer() (bytes uint64, connected bool) {
	link := s.linkTo(signaling.ServerID)
	if link == nil {
		return 0, false
	}
	stats := link.Stats()
	return stats.BytesReceived, stats.State == peer.StateConnected
}

// backfilling sends kept packets. It belongs to the goroutine of runBackfill.
type backfilling struct {
	keeping *keeping
	kept    *spool.Spool
	sender  *backfill.Sender
	pending []byte // a message that the channel did not take

	looked   time.Time
	received uint64
	heard    time.Time // when received last grew
	cut      bool
}

func newBackfilling(k *keeping, kept *spool.Spool, roomNS func(time.Time) int64) *backfilling {
	return &backfilling{
		keeping: k, kept: kept, cut: true,
		sender: backfill.NewSender(backfill.SenderConfig{Spool: kept, RoomNS: roomNS}),
	}
}

// take handles a message of the server.
func (b *backfilling) take(message []byte) {
	if b.sender.Take(message) != nil {
		return // counted
	}
	b.keeping.mu.Lock()
	defer b.keeping.mu.Unlock()
	b.keeping.answered = true
}

// notePath decides whether anything reaches the server: a link that is connected and on which something
// comes. Clock pings see to that several times a second.
func (b *backfilling) notePath(received uint64, connected bool, now time.Time) {
	if received != b.received || !connected {
		b.received, b.heard = received, now
	}
	b.looked = now
	b.cut = !connected || now.Sub(b.heard) >= pathSilent
	b.kept.SetCut(b.cut)
	b.keeping.mu.Lock()
	defer b.keeping.mu.Unlock()
	switch {
	case !b.cut:
		b.keeping.cutSince = time.Time{}
	case b.keeping.cutSince.IsZero():
		b.keeping.cutSince = now
	}
}

// send has the channel carry what the uplink has room for, and returns the bytes. Nothing is queued
// while media is out.
func (b *backfilling) send(spare int, now time.Time) (sent int) {
	k := b.keeping
	k.mu.Lock()
	channel, opened := k.channel, k.opened
	k.opened = false
	k.mu.Unlock()
	if opened {
		b.sender.Opened()
		b.pending = nil
	}
	if channel == nil || b.cut {
		return 0
	}
	most := min(backfillQueue, max(1, spare/backfillAhead))
	for channel.Buffered() < most {
		if len(b.pending) == 0 {
			message, ok := b.sender.Next(spare, now)
			if !ok {
				break
			}
			b.pending = append(b.pending, message...)
		}
		if channel.Send(b.pending) != nil {
			break // tried again
		}
		sent += len(b.pending)
		b.pending = b.pending[:0]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats = b.sender.Stats()
	return sent
}
