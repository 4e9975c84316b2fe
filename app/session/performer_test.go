package session

import (
	"bytes"
	"math"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/jitter"
	"gasso/audio/opus"
	"gasso/net/packet"
	"gasso/net/signaling"
)

const testFrame = 240 // samples of a test packet

// talker makes the packets of one publication: a tone.
type talker struct {
	t           *testing.T
	publication signaling.Publication
	encoder     *opus.Encoder
	tone        []float32
	packet      packet.Packet
	payload     []byte
}

func newTalker(t *testing.T, generation uint8, freq float64, first int64) *talker {
	t.Helper()
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 192_000, FrameSamples: testFrame, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { encoder.Close() })
	id := packet.NewPublicationID()
	return &talker{
		t: t, encoder: encoder, tone: audiotest.Tone(freq, -12, packet.SampleRate, 2), payload: make([]byte, 1275),
		publication: signaling.Publication{ID: id, Generation: generation, Channels: 2, FrameSamples: testFrame},
		packet:      packet.Packet{Publication: id, Generation: generation, Number: -1, FirstSample: first - testFrame, Samples: testFrame},
	}
}

// next encodes one packet, borrowed until the one after.
func (k *talker) next() *packet.Packet {
	k.t.Helper()
	k.packet.Number++
	k.packet.FirstSample += testFrame
	at := int(k.packet.Number*testFrame%packet.SampleRate) * 2
	n, err := k.encoder.Encode(k.tone[at:at+2*testFrame], k.payload)
	if err != nil {
		k.t.Fatal(err)
	}
	k.packet.Payload = k.payload[:n]
	return &k.packet
}

// listener plays a performer on simulated time.
type listener struct {
	p                 *performer
	now               time.Time
	bus, sum, scratch []float32
}

func newListener(p *performer) *listener {
	pcm := func() []float32 { return make([]float32, 2*testFrame) }
	return &listener{p: p, now: time.Unix(1_000_000, 0), bus: pcm(), sum: pcm(), scratch: pcm()}
}

// hear plays so many frames; before each, deliver may bring packets.
func (l *listener) hear(frames int, deliver func()) (pcm []float32) {
	for range frames {
		deliver()
		clear(l.bus)
		l.p.playFrame(l.bus, l.sum, l.scratch, l.now)
		pcm = append(pcm, l.bus...)
		l.now = l.now.Add(5 * time.Millisecond)
	}
	return pcm
}

func checkTone(t *testing.T, what string, pcm []float32, freq, wantDB float64) {
	t.Helper()
	if got := audiotest.ToneLevelDB(pcm, 0, 2, freq); math.Abs(got-wantDB) > 1 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want %.1f", what, freq, got, wantDB)
	}
}

func TestAPerformerPlaysOneGenerationAfterTheOther(t *testing.T) {
	p := newPerformer("a")
	l := newListener(p)
	first, second := newTalker(t, 255, 400, 1_000_000), newTalker(t, 0, 800, 1_000_000+100*testFrame)
	for range 2 { // a publication that is announced twice is one
		if err := p.addVoice(&first.publication, ModeLive); err != nil {
			t.Fatal(err)
		}
	}
	pcm := l.hear(100, func() { p.deliver(jitter.PathDirect, first.next(), l.now) })
	checkTone(t, "first", pcm[50*2*testFrame:], 400, -12)

	if err := p.addVoice(&second.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	pcm = l.hear(100, func() { p.deliver(jitter.PathForwarded, second.next(), l.now) })
	checkTone(t, "second", pcm[50*2*testFrame:], 800, -12)
	checkQuiet(t, "first after its end", pcm[50*2*testFrame:], 400)

	p.keepHouse(l.now)
	if n := len(*p.voices.Load()); n != 2 {
		t.Fatalf("%d voices within two seconds of the first's end, want 2", n)
	}
	l.hear(400, func() { p.deliver(jitter.PathForwarded, second.next(), l.now) })
	p.keepHouse(l.now)
	voices := *p.voices.Load()
	if len(voices) != 1 || voices[0].publication.ID != second.publication.ID {
		t.Fatalf("%d voices after two seconds, want the second alone", len(voices))
	}
	p.keepHouse(l.now.Add(time.Hour))
	if len(*p.voices.Load()) != 1 {
		t.Error("the newest voice was retired")
	}
	var out Performer
	p.describe(&out, l.now)
	if out.Link.PacketsDirect != 100 || out.Link.PacketsForward != 500 || out.Link.PacketsReceived != 600 || out.Link.PacketsLost != 0 {
		t.Errorf("packets are counted as %+v", out.Link)
	}
	p.close()
	checkQuiet(t, "closed", l.hear(100, func() { p.deliver(jitter.PathDirect, second.next(), l.now) }), 800)
}

func checkQuiet(t *testing.T, what string, pcm []float32, freq float64) {
	t.Helper()
	if got := audiotest.ToneLevelDB(pcm, 0, 2, freq); got > -50 {
		t.Errorf("%s: %.0f Hz at %.1f dB, want none", what, freq, got)
	}
}

func TestPacketsBeforeTheirAnnouncementAreKept(t *testing.T) {
	p := newPerformer("a")
	l := newListener(p)
	k := newTalker(t, 7, 400, 1_000_000)
	l.hear(20, func() { p.deliver(jitter.PathDirect, k.next(), l.now) })
	if err := p.addVoice(&k.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	pcm := l.hear(20, func() { p.deliver(jitter.PathDirect, k.next(), l.now) })
	checkTone(t, "from the announcement on", pcm[5*2*testFrame:], 400, -12)
	if got := (*p.voices.Load())[0].player.Stats().Received[jitter.PathDirect]; got != 40 {
		t.Errorf("%d packets reached the voice, want 40", got)
	}
	if len(p.strays) != 0 {
		t.Errorf("%d strays are left", len(p.strays))
	}
}

func TestStraysAreBoundedAndForgotten(t *testing.T) {
	var s strays
	now := time.Unix(1000, 0)
	payload := []byte{1}
	for i := range int64(2 * straysKept) {
		s.add(0, &packet.Packet{Number: i, Payload: payload}, now)
	}
	payload[0] = 2
	if len(s) != straysKept || s[0].packet.Number != straysKept || s[0].packet.Payload[0] != 1 {
		t.Fatalf("%d strays from number %d on", len(s), s[0].packet.Number)
	}
	s.add(0, &packet.Packet{Number: 9999, Payload: payload}, now.Add(strayKeeps+1))
	if all := s.take(); len(all) != 1 || all[0].packet.Number != 9999 {
		t.Errorf("%d strays after a while", len(all))
	}
	if len(s.take()) != 0 {
		t.Error("taken twice")
	}
}

// TestTracksMayOverlap has two tracks of one path deliver at the same time, for the race detector.
func TestTracksMayOverlap(t *testing.T) {
	p := newPerformer("a")
	l := newListener(p)
	k := newTalker(t, 0, 400, 1_000_000)
	if err := p.addVoice(&k.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	const each = 100
	done := make(chan struct{})
	pk := *k.next()
	for track := range 2 {
		go func() {
			mine := pk
			for i := range each {
				mine.Number = int64(2*i + track)
				p.deliver(jitter.PathDirect, &mine, l.now)
			}
			done <- struct{}{}
		}()
	}
	for range 2 {
		<-done
	}
	if got := (*p.voices.Load())[0].player.Stats(); got.Received[jitter.PathDirect] != 2*each || got.Dropped != 0 {
		t.Errorf("received %d, dropped %d", got.Received[jitter.PathDirect], got.Dropped)
	}
}

func TestModeWidensTheDelayOfVoicesThatPlay(t *testing.T) {
	p := newPerformer("a")
	l := newListener(p)
	k := newTalker(t, 0, 400, 1_000_000)
	if err := p.addVoice(&k.publication, ModeStudio); err != nil {
		t.Fatal(err)
	}
	sent, held := 0, packet.Packet{}
	target := func() time.Duration {
		l.hear(600, func() {
			pk := k.next()
			switch sent++; sent % 300 {
			case 0: // one of 300 comes 15 ms late: too few for studio, too many for safe
				held = *pk
				held.Payload = bytes.Clone(pk.Payload)
			case 3:
				p.deliver(jitter.PathDirect, &held, l.now)
				fallthrough
			default:
				p.deliver(jitter.PathDirect, pk, l.now)
			}
		})
		var out Performer
		p.describe(&out, l.now)
		return out.TargetDelay
	}
	studio := target()
	if studio > 10*time.Millisecond {
		t.Errorf("target in studio mode is %v", studio)
	}
	p.setMode(ModeSafe)
	if got := target(); got < jitter.Safe().Min || got <= studio {
		t.Errorf("target in safe mode is %v, in studio %v", got, studio)
	}
}

func TestQualityInAWord(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		connected bool
		last      time.Time
		concealed float64
		want      Quality
	}{
		{false, time.Time{}, 0, QualityConnecting},
		{true, time.Time{}, 0, QualitySilent},
		{true, now.Add(-silentAfter - 1), 0, QualitySilent},
		{false, now.Add(-silentAfter), 0, QualityGood},
		{true, now, fairRatio, QualityGood},
		{true, now, 0.006, QualityFair},
		{true, now, poorRatio, QualityFair},
		{true, now, 0.031, QualityPoor},
	} {
		if got := qualityOf(c.connected, c.last, c.concealed, now); got != c.want {
			t.Errorf("qualityOf(%v, %v, %v) = %s, want %s", c.connected, c.last, c.concealed, got, c.want)
		}
	}
}

func TestForwardingIsNoticed(t *testing.T) {
	var q qualityWindow
	for i, c := range []struct {
		forwarded int64
		want      bool
	}{{0, false}, {10, true}, {10, false}, {11, true}} {
		q.add(packetCounts{received: [2]int64{100, c.forwarded}})
		if q.forwarding != c.want {
			t.Errorf("step %d: forwarding is %v", i, q.forwarding)
		}
	}
}
