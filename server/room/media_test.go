package room

import (
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/peer"
	"gasso/net/signaling"
	"gasso/server/limits"
)

func TestTheServerForwardsToThoseWhoWantIt(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologySFU, ""))
	b := s.perform(performAs(signaling.TopologyAuto, ""))
	c := s.perform(performAs(signaling.TopologyP2P, ""))
	idA, idB, idC := a.joined.ParticipantID, b.joined.ParticipantID, c.joined.ParticipantID
	start(t, a, b, c)
	s.await("everybody hears through the server whom they cannot hear directly", func() bool {
		return a.count(idB) > 50 && a.count(idC) > 50 && b.count(idA) > 50 && c.count(idA) > 50
	})
	if b.count(idC) != 0 || c.count(idB) != 0 || a.count(idA) != 0 {
		t.Errorf("forwarded although direct: %d and %d packets; to itself: %d", b.count(idC), c.count(idB), a.count(idA))
	}
	b.mu.Lock()
	got := b.received[idA][20]
	b.mu.Unlock()
	if got.Generation != 7 || got.Number < 20 || got.Samples != 240 || len(got.Payload) == 0 {
		t.Errorf("a forwarded packet lost its identity: %+v", got)
	}
	status := s.room.mustStatus(t)
	if status.PacketsToPerformers < 200 || status.Participants[0].PacketsReceived < 50 || status.Participants[0].Link != string(peer.StateConnected) {
		t.Errorf("status is %+v", status)
	}

	a.send(&signaling.Forwarding{ParticipantID: idB, Level: signaling.ForwardOff})
	quiet := func() bool {
		before := a.count(idB)
		c0 := a.count(idC)
		s.await("others flow on", func() bool { return a.count(idC) > c0+20 })
		return a.count(idB) == before
	}
	s.await("forwarding stops at its receiver's wish", quiet)
	off := a.count(idB)
	a.send(&signaling.Forwarding{ParticipantID: idB, Level: signaling.ForwardFull})
	s.await("forwarding starts again", func() bool { return a.count(idB) > off+20 })

	a.send(&signaling.Forwarding{ParticipantID: idB, Level: signaling.ForwardStandby})
	s.await("forwarding pauses at its receiver's wish", quiet)
	off = a.count(idB)
	a.send(&signaling.Forwarding{ParticipantID: idB, Level: signaling.ForwardFull})
	s.await("forwarding starts again", func() bool { return a.count(idB) > off+20 })
}

func TestPureP2PPerformersGetNothingFromTheServer(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologyP2P, ""))
	b := s.perform(performAs(signaling.TopologyP2P, ""))
	start(t, a, b)
	s.await("the server gets both for its mix", func() bool {
		p := s.room.mustStatus(t).Participants
		return p[0].PacketsReceived > 50 && p[1].PacketsReceived > 50
	})
	if n := s.room.mustStatus(t).PacketsToPerformers; n != 0 {
		t.Errorf("%d packets were forwarded, want none", n)
	}
}

func TestAParticipantGetsItsMix(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologyAuto, signaling.ReceiveMix))
	b := s.perform(performAs(signaling.TopologyAuto, ""))
	start(t, a, b)                // 440 and 660 Hz
	const patch = 48000 / 2 / 240 // half a second of packets
	s.await("the mix arrives", func() bool { return a.count(MixID) > 3*patch })
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.received[MixID]
	if a.mix == nil || got[0].Generation != a.mix.Generation || a.mix.Channels != 2 || a.mix.FrameSamples != got[0].Samples {
		t.Fatalf("packets %+v don't fit the announcement %+v", got[0], a.mix)
	}
	for i := 1; i < len(got); i++ {
		if want := got[i-1].FirstSample + 240*(got[i].Number-got[i-1].Number); got[i].FirstSample != want {
			t.Errorf("packet %d begins at %d, want %d", got[i].Number, got[i].FirstSample, want)
		}
	}
	pcm := decode(t, got)
	if own := usualLevelDB(pcm, 440); own > -50 {
		t.Errorf("a hears itself at %.1f dB", own)
	}
	if other := usualLevelDB(pcm, 660); math.Abs(other+12) > 1.5 {
		t.Errorf("a hears b at %.1f dB, want -12", other)
	}
	if len(a.received) != 1 {
		t.Errorf("besides its mix it gets %d tracks", len(a.received)-1)
	}
	if b.count(MixID) != 0 {
		t.Error("somebody who wants tracks gets a mix")
	}
}

// usualLevelDB is a tone's level in the median of the windows of 100 ms, so that a busy machine's gaps
// don't count.
func usualLevelDB(pcm []float32, frequency float64) float64 {
	var levels []float64
	for window := range slices.Chunk(pcm, 2*4800) {
		levels = append(levels, audiotest.ToneLevelDB(window, 0, 2, frequency))
	}
	slices.Sort(levels)
	return levels[len(levels)/2]
}

// decode turns packets, one after the other, into stereo.
func decode(t *testing.T, packets []packet.Packet) (pcm []float32) {
	t.Helper()
	decoder, err := opus.NewDecoder(2)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	block := make([]float32, 2*opus.MaxPacketSamples)
	for _, p := range packets {
		n, err := decoder.Decode(block, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, block[:2*n]...)
	}
	return pcm
}

func TestMediaOutlivesALostConnectionAndALinkStartsOver(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologySFU, ""))
	b := s.perform(performAs(signaling.TopologySFU, ""))
	idA := a.joined.ParticipantID
	start(t, a, b)
	s.await("b hears a", func() bool { return b.count(idA) > 20 })

	_ = a.conn.Close(nil)
	a.ended.Wait()
	s.await("the loss is known", func() bool { return !s.room.mustStatus(t).Participants[0].Connected })
	before := b.count(idA)
	s.await("media goes on", func() bool { return b.count(idA) > before+50 })

	keep := a.resume()
	keep.Topology = signaling.TopologySFU
	keep.Resume.Link = a.currentLink().ID()
	back := s.join(keep)
	a.continueAs(back)
	before = b.count(idA)
	s.await("media goes on over the kept link", func() bool { return b.count(idA) > before+50 })
	a.note(func() {
		if a.links != 1 {
			t.Errorf("%d links were made, want the one that was there", a.links)
		}
	})

	anew := a.resume()
	anew.Topology = signaling.TopologySFU
	again := s.join(anew) // replaces back, whose run ends
	a.continueAs(again)
	s.await("a new link is made", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.links == 2
	})
	before, heard := b.count(idA), a.count(b.joined.ParticipantID)
	s.await("media goes on over the new link, both ways", func() bool {
		return b.count(idA) > before+50 && a.count(b.joined.ParticipantID) > heard+50
	})
}

func TestAnAnswerThatIsNotAudioIsRefusedAndTheOthersHearOn(t *testing.T) {
	s := newMediaServer(t, nil)
	a := s.perform(performAs(signaling.TopologySFU, ""))
	b := s.perform(performAs(signaling.TopologySFU, ""))
	idA := a.joined.ParticipantID
	start(t, a, b)
	s.await("b hears a", func() bool { return b.count(idA) > 20 })
	bad := s.join(joinAs(signaling.RolePerformer))
	offer := expectThat(bad, func(m *signaling.Signal) bool { return m.Description != nil })
	if offer.From != signaling.ServerID || offer.Description.Type != "offer" {
		t.Fatalf("the server sent %+v", offer)
	}
	for _, sdp := range []string{
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n",
		"v=0\r\nm=audio garbage",
	} {
		bad.send(&signaling.Signal{To: signaling.ServerID, Link: offer.Link, Description: &signaling.Description{Type: "answer", SDP: sdp}})
		bad.refused(signaling.CodeBadMedia, "signal")
	}
	before := b.count(idA)
	s.await("b hears a as before", func() bool { return b.count(idA) > before+50 })
	for _, p := range []*performer{a, b} {
		p.mu.Lock()
		if len(p.errors) != 0 {
			t.Errorf("others got errors: %v", p.errors)
		}
		p.mu.Unlock()
	}
}

func TestPacketsAboveTheLimitAreDroppedAndCounted(t *testing.T) {
	s := newMediaServer(t, func(c *Config) { c.Limits = limits.New(limits.Config{PacketsASecond: 50}) })
	a := s.perform(performAs(signaling.TopologySFU, ""))
	b := s.perform(performAs(signaling.TopologySFU, ""))
	start(t, a, b)
	s.await("packets are dropped", func() bool {
		return s.room.mustStatus(t).Participants[0].PacketsDropped > 100
	})
	st := s.room.mustStatus(t)
	if a := st.Participants[0]; a.PacketsReceived > a.PacketsDropped { // 50 of 200 a second pass
		t.Errorf("%d passed and %d were dropped", a.PacketsReceived, a.PacketsDropped)
	}
	if sum := st.Participants[0].PacketsDropped + st.Participants[1].PacketsDropped; st.PacketsDropped != sum {
		t.Errorf("the room counts %d drops, its participants %d", st.PacketsDropped, sum)
	}
}

func TestAPublicationIsMixedFromItsAnnouncementOn(t *testing.T) {
	s := newServer(t, func(c *Config) { c.ProgramDelay, c.Now = 100*time.Millisecond, time.Now })
	c := s.join(joinAs(signaling.RolePerformer))
	var heard atomic.Bool
	s.room.mixer.OnProgram(func(pcm []float32, _ int64) {
		if slices.Max(pcm) > 0.1 {
			heard.Store(true)
		}
	})
	var track *Track
	s.room.call(func() { track = s.room.participants[c.joined.ParticipantID].track })
	encoder, err := opus.NewEncoder(opus.EncoderConfig{Channels: 2, BitrateBPS: 128_000, FrameSamples: 480, Complexity: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	pcm, payload := audiotest.Tone(400, -6, 480, 2), make([]byte, 1275)
	number, start := int64(0), s.reg.cfg.Clock.Sample(time.Now())
	burst := func() {
		for range 20 {
			n, err := encoder.Encode(pcm, payload)
			if err != nil {
				t.Fatal(err)
			}
			p := packet.Packet{Generation: 9, Number: number, FirstSample: start + 480*number, Samples: 480, Payload: payload[:n]}
			track.deliver(&p, time.Now())
			number++
		}
	}
	burst()
	if st := s.room.mustStatus(t); st.PacketsUnannounced != 20 || st.Participants[0].Unannounced != 20 {
		t.Errorf("%d packets are unannounced, want 20", st.PacketsUnannounced)
	}
	c.send(&signaling.Publication{ID: packet.NewPublicationID(), Generation: 9, Channels: 2, FrameSamples: 480})
	s.await("the publication is known", func() bool { return len(*track.announced.Load()) == 1 })
	number = (s.reg.cfg.Clock.Sample(time.Now()) - start) / 480
	burst()
	s.await("it is in the program", heard.Load)
	_ = c.conn.Close(nil)
	if err := s.reg.Remove("demo", c.joined.ParticipantID); err != nil {
		t.Fatal(err)
	}
	if st := s.room.mustStatus(t); len(st.Participants) != 0 || st.PacketsUnannounced != 20 {
		t.Errorf("after leaving, %d packets are unannounced, want 20", st.PacketsUnannounced)
	}
}

func TestPacketsCarryThePublicationThatTheirGenerationNames(t *testing.T) {
	track := &Track{}
	track.announced.Store(&[]signaling.Publication{})
	first, second := packet.NewPublicationID(), packet.NewPublicationID()
	if track.identify(&packet.Packet{Generation: 1}) {
		t.Error("a packet of no announced publication was identified")
	}
	track.announce(signaling.Publication{ID: first, Generation: 1})
	track.announce(signaling.Publication{ID: second, Generation: 2})
	track.announce(signaling.Publication{ID: first, Generation: 1}) // said again after a lost connection
	for generation, want := range map[uint8]packet.PublicationID{1: first, 2: second} {
		p := packet.Packet{Generation: generation}
		if !track.identify(&p) || p.Publication != want {
			t.Errorf("generation %d is publication %v, want %v", generation, p.Publication, want)
		}
	}
	if n := len(*track.announced.Load()); n != 2 {
		t.Errorf("%d publications are known, want 2", n)
	}
}
