package room

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"path"
	"sync"
	"testing"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/journal"
)

const backfillFrame = 240

// keptSound is a spool in memory: all packets of some publications.
type keptSound struct {
	mu    sync.Mutex
	order []packet.PublicationID
	sound map[packet.PublicationID][]packet.Packet
	safe  map[packet.PublicationID]*backfill.Set
}

func newKeptSound() *keptSound {
	return &keptSound{sound: map[packet.PublicationID][]packet.Packet{}, safe: map[packet.PublicationID]*backfill.Set{}}
}

func (k *keptSound) add(p packet.Packet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.safe[p.Publication] == nil {
		k.order = append(k.order, p.Publication)
		k.safe[p.Publication] = &backfill.Set{}
	}
	k.sound[p.Publication] = append(k.sound[p.Publication], p)
}

func (k *keptSound) Holdings() (all []backfill.Have) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range k.order {
		last := k.sound[id][len(k.sound[id])-1]
		all = append(all, backfill.Have{
			Publication: id, Generation: last.Generation, Channels: 2, FrameSamples: backfillFrame,
			Last: last.Number, LastSample: last.FirstSample,
		})
	}
	return all
}

func (k *keptSound) Find(id packet.PublicationID, from int64, p *packet.Packet) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if from >= int64(len(k.sound[id])) {
		return false, nil
	}
	*p = k.sound[id][from]
	return true, nil
}

func (k *keptSound) Durable(id packet.PublicationID, r backfill.Range) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.safe[id] != nil {
		k.safe[id].Add(r)
	}
}

// isSafe tells whether the server said so of every packet.
func (k *keptSound) isSafe() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, sound := range k.sound {
		if k.safe[id].Len() != int64(len(sound)) {
			return false
		}
	}
	return true
}

func (k *keptSound) sum(id packet.PublicationID) (sum [32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := sha256.New()
	for _, p := range k.sound[id] {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(p.Number)))
		h.Write(p.Payload)
	}
	h.Sum(sum[:0])
	return sum
}

// filler is the app's side of backfill.
type filler struct {
	mu      sync.Mutex
	sender  *backfill.Sender
	channel *peer.Channel
	quit    chan struct{}
	running sync.WaitGroup
}

// backfillOf returns the channel on which a performer sends later what is kept.
func backfillOf(s *server, spool backfill.Spool) peer.ChannelConfig {
	f := &filler{sender: backfill.NewSender(backfill.SenderConfig{Spool: spool, RoomNS: s.reg.cfg.Clock.NowNS}), quit: make(chan struct{})}
	f.running.Go(f.run)
	s.t.Cleanup(func() { close(f.quit); f.running.Wait() })
	return peer.ChannelConfig{
		Name: "backfill", ID: 2, Reliable: true,
		OnOpen: func(c *peer.Channel) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.channel = c
			f.sender.Opened()
		},
		OnMessage: func(_ *peer.Channel, m []byte) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if err := f.sender.Take(m); err != nil {
				s.t.Errorf("message of the server: %v", err)
			}
		},
	}
}

func (f *filler) run() {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-f.quit:
			return
		case now := <-ticker.C:
			f.mu.Lock()
			for f.channel != nil && f.channel.Buffered() < 64<<10 {
				m, ok := f.sender.Next(500_000, now)
				if !ok || f.channel.Send(m) != nil {
					break
				}
			}
			f.mu.Unlock()
		}
	}
}

// playWithHoles publishes count packets, of which many are kept only.
func (p *performer) playWithHoles(spool *keptSound, generation uint8, count int64) packet.PublicationID {
	id, random := packet.NewPublicationID(), rand.New(rand.NewPCG(uint64(generation), 1))
	_ = p.currentConn().Send(&signaling.Publication{ID: id, Generation: generation, Channels: 2, FrameSamples: backfillFrame})
	first := p.s.reg.cfg.Clock.Sample(time.Now()) - backfillFrame*count // since it is played faster than it sounds
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for number := range count {
		payload := make([]byte, 40+random.IntN(80))
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		payload[0] = 0xec // Opus of 5 ms (RFC 6716, section 3.1): copies are placed by it
		sent := packet.Packet{
			Publication: id, Generation: generation, Number: number, FirstSample: first + backfillFrame*number,
			Samples: backfillFrame, Payload: payload,
		}
		spool.add(sent)
		if random.IntN(10) >= 3 && (number < count/3 || number > count/2) {
			_ = p.publisher.Write(&sent)
		}
		<-ticker.C
	}
	return id
}

func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Config{Mode: journal.ModeAlways, Sync: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func backfillServer(t *testing.T, dir string) (*server, *journal.Journal) {
	j := openJournal(t, dir)
	t.Cleanup(func() { _ = j.Close() }) // after the rooms
	return newMediaServer(t, func(c *Config) { c.Journal = j }), j
}

func withChannels() *signaling.JoinRoom {
	m := performAs(signaling.TopologySFU, signaling.ReceiveTracks)
	m.DataChannels = true
	return m
}

// sameInJournal waits until the sum of a file is that of what was sent.
func sameInJournal(s *server, dir, participant string, spool *keptSound, id packet.PublicationID) {
	s.t.Helper()
	name := path.Join("demo", participant, id.String()+".journal")
	want := spool.sum(id)
	s.await("the journal has what was sent", func() bool {
		sum, err := journal.Summarize(dir, name)
		return err == nil && sum.SHA256 == want && len(sum.Missing()) == 0
	})
}

func TestWhatDidNotComeInTimeIsInTheJournalInTheEnd(t *testing.T) {
	dir := t.TempDir()
	s, _ := backfillServer(t, dir)
	spool := newKeptSound()
	channel := backfillOf(s, spool)
	p := s.performWith(withChannels(), channel)
	first := p.playWithHoles(spool, 7, 600)
	second := p.playWithHoles(spool, 8, 300)
	sameInJournal(s, dir, p.joined.ParticipantID, spool, first)
	sameInJournal(s, dir, p.joined.ParticipantID, spool, second)
	s.await("the app may forget everything", spool.isSafe)
	st, err := s.room.Status()
	if err != nil || st.Participants[0].Backfilled < 200 || st.Participants[0].BackfillRefused != 0 {
		t.Errorf("%+v, %v", st.Participants, err)
	}
}

func TestAServerThatRestartsKnowsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	s, j := backfillServer(t, dir)
	spool := newKeptSound()
	p := s.perform(performAs(signaling.TopologySFU, signaling.ReceiveTracks)) // knows no backfill yet
	before := p.playWithHoles(spool, 7, 300)
	s.await("some packets are in the journal", func() bool { return j.Status().Packets > 50 })
	resume := p.resume()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.reg.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	s, _ = backfillServer(t, dir)
	channel := backfillOf(s, spool)
	resume.DataChannels, resume.Topology = true, signaling.TopologySFU
	back := s.performWith(resume, channel)
	if back.joined.ParticipantID != p.joined.ParticipantID {
		t.Fatal("the participant got another id")
	}
	after := back.playWithHoles(spool, 8, 200)
	sameInJournal(s, dir, p.joined.ParticipantID, spool, before) // never announced to this server
	sameInJournal(s, dir, p.joined.ParticipantID, spool, after)
}

func TestWhoSendsNonsenseAsBackfillHarmsNobody(t *testing.T) {
	dir := t.TempDir()
	s, _ := backfillServer(t, dir)
	spool := newKeptSound()
	channel := backfillOf(s, spool)
	good := s.performWith(withChannels(), channel)
	opened := make(chan *peer.Channel, 1)
	bad := s.performWith(withChannels(), peer.ChannelConfig{Name: "backfill", ID: 2, Reliable: true, OnOpen: func(c *peer.Channel) { opened <- c }})
	flood := <-opened
	stop := make(chan struct{})
	var flooding sync.WaitGroup
	flooding.Go(func() {
		messages := [][]byte{{}, {3}, bytes.Repeat([]byte{3}, 16<<10), bytes.Repeat([]byte{1}, 34), bytes.Repeat([]byte{4}, 9+1000*10)}
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = flood.Send(messages[i%len(messages)])
			}
		}
	})
	id := good.playWithHoles(spool, 7, 400)
	sameInJournal(s, dir, good.joined.ParticipantID, spool, id)
	s.await("the nonsense is counted", func() bool {
		st, err := s.room.Status()
		return err == nil && len(st.Participants) == 2 && st.Participants[1].BackfillRefused > 50
	})
	close(stop)
	flooding.Wait()
	names, err := journal.Names(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("files %v, %v; %s sent nonsense", names, err, bad.joined.ParticipantID)
	}
}
