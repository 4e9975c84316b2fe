package mixer

import (
	"math"
	"sort"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/net/packet"
)

const roomStart = int64(1_790_000_000) * sampleRate

var start = time.Unix(1_790_000_000, 0)

func roomSample(at time.Time) int64 {
	return roomStart + int64(at.Sub(start))/1000*sampleRate/1e6
}

// delivery is a packet and when it comes.
type delivery struct {
	input *Input
	at    time.Time
	p     packet.Packet
}

// perform encodes a tone of length from begin on as real packets of 5 ms that take delay(n) each;
// a negative delay loses the packet.
func perform(tb testing.TB, input *Input, hz float64, begin, length time.Duration, delay func(n int64) time.Duration) []delivery {
	tb.Helper()
	enc, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 128000, FrameSamples: liveSamples, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer enc.Close()
	id := packet.NewPublicationID()
	tone := audiotest.Tone(hz, -20, int(length.Seconds()*sampleRate), 2)
	first := roomSample(start.Add(begin))
	var all []delivery
	buf := make([]byte, 1500)
	for n := int64(0); len(tone) >= 2*liveSamples; n++ {
		size, err := enc.Encode(tone[:2*liveSamples], buf)
		if err != nil {
			tb.Fatal(err)
		}
		tone = tone[2*liveSamples:]
		if d := delay(n); d >= 0 {
			p := packet.Packet{
				Publication: id, Number: n, FirstSample: first, Samples: liveSamples,
				Payload: append([]byte(nil), buf[:size]...),
			}
			sent := start.Add(begin + samplesToTime((n+1)*liveSamples))
			all = append(all, delivery{input, sent.Add(d), p})
		}
		first += liveSamples
	}
	return all
}

func steady(int64) time.Duration { return 10 * time.Millisecond }

// play delivers the packets and runs both buses in simulated time; during is called each 5 ms.
func play(m *Mixer, all []delivery, length time.Duration, during func(at time.Duration)) {
	sort.SliceStable(all, func(i, j int) bool { return all[i].at.Before(all[j].at) })
	for at := time.Duration(0); at <= length; at += 5 * time.Millisecond {
		now := start.Add(at)
		for len(all) > 0 && !all[0].at.After(now) {
			all[0].input.Push(&all[0].p, all[0].at)
			all = all[1:]
		}
		if during != nil {
			during(at)
		}
		m.liveUntil(now)
		m.programUntil(now)
		if at%sweepInterval == 0 {
			m.sweep(now)
		}
	}
}

// recording is what a sink got.
type recording struct {
	tb    testing.TB
	pcm   []float32
	first int64
}

func (r *recording) sink(pcm []float32, firstSample int64) {
	if r.first == 0 {
		r.first = firstSample
	}
	if want := r.first + int64(len(r.pcm)/2); firstSample != want {
		r.tb.Errorf("frame at %d, want %d", firstSample, want)
	}
	r.pcm = append(r.pcm, pcm...)
}

// between returns what was to be heard between two times of the room.
func (r *recording) between(from, to time.Duration) []float32 {
	a := roomSample(start.Add(from)) - r.first
	b := roomSample(start.Add(to)) - r.first
	return r.pcm[2*a : 2*b]
}

func level(pcm []float32, hz float64) float64 { return audiotest.ToneLevelDB(pcm, 0, 2, hz) }

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %.2f dB, want %.2f ± %.2f", what, got, want, within)
	}
}

func newRoom(tb testing.TB, ids ...string) (*Mixer, []*Input) {
	m := New(Config{RoomSample: roomSample})
	tb.Cleanup(m.close)
	var inputs []*Input
	for _, id := range ids {
		inputs = append(inputs, m.AddInput(id))
	}
	return m, inputs
}

var tones = []float64{440, 660, 880}

func TestProgramCarriesAllAndStripsWork(t *testing.T) {
	m, input := newRoom(t, "a", "b", "c")
	rec := &recording{tb: t}
	m.OnProgram(rec.sink)
	var all []delivery
	for i, hz := range tones {
		all = append(all, perform(t, input[i], hz, 0, 8*time.Second, steady)...)
	}
	// The program is 1 s behind: a strip set at 4 s acts on what was played at 3 s.
	play(m, all, 8*time.Second, func(at time.Duration) {
		switch at {
		case 4 * time.Second:
			m.SetStrip("b", mix.Settings{GainDB: -6})
		case 6 * time.Second:
			m.SetStrip("b", mix.Settings{Mute: true})
		}
	})
	before, lower, muted := rec.between(1*time.Second, 2*time.Second), rec.between(3500*time.Millisecond, 4500*time.Millisecond),
		rec.between(5500*time.Millisecond, 6500*time.Millisecond)
	for i, hz := range tones {
		near(t, "tone in the program", level(before, hz), -20, 0.5)
		if i != 1 {
			near(t, "other tone beside the lowered", level(lower, hz), level(before, hz), 0.5)
			near(t, "other tone beside the muted", level(muted, hz), level(before, hz), 0.5)
		}
	}
	near(t, "tone with strip at -6 dB", level(before, 660)-level(lower, 660), 6, 0.5)
	if got := level(muted, 660); got > -80 {
		t.Errorf("muted tone at %.1f dBFS, want 60 dB below the others", got)
	}
	t.Logf("before %.2f %.2f %.2f, at -6 dB %.2f, muted %.1f dBFS",
		level(before, 440), level(before, 660), level(before, 880), level(lower, 660), level(muted, 660))
	near(t, "strip b", m.Strip("b").GainDB, 0, 0)
	if !m.Strip("b").Mute {
		t.Error("strip b is not muted")
	}
	levels := m.Levels()
	if len(levels.Strips) != 3 || levels.Strips[0].ParticipantID != "a" {
		t.Fatalf("levels are %+v", levels)
	}
	near(t, "meter of a", levels.Strips[0].Level.RMSDB, -23, 0.5)
	if got := levels.Strips[1].Level.RMSDB; got > -60 {
		t.Errorf("meter of the muted strip shows %.1f dBFS", got)
	}
	near(t, "meter of the program", levels.Program.RMSDB, -20, 0.5)
}

func TestMixMinusHasTheOthersOnly(t *testing.T) {
	m, input := newRoom(t, "a", "b", "c")
	var all []delivery
	recs := make([]*recording, len(tones)+1)
	for i, hz := range tones {
		all = append(all, perform(t, input[i], hz, 0, 3*time.Second, steady)...)
		recs[i] = &recording{tb: t}
		m.SubscribeMix(input[i].id, recs[i].sink)
	}
	guest := &recording{tb: t} // without an input of its own
	cancel := m.SubscribeMix("guest", guest.sink)
	recs[3] = guest
	play(m, all, 3*time.Second, func(at time.Duration) {
		if at == 2500*time.Millisecond {
			cancel()
		}
	})
	for i, rec := range recs {
		for j, hz := range tones {
			got := level(rec.between(time.Second, 2*time.Second), hz)
			if i == j && got > -80 {
				t.Errorf("%s hears itself at %.1f dBFS", input[i].id, got)
			}
			if i != j {
				near(t, "tone of another", got, -20, 0.5)
			}
		}
	}
	if got, want := len(guest.pcm)/2, 25*sampleRate/10; got > want {
		t.Errorf("the guest got %d samples, want at most %d: it cancelled", got, want)
	}
	for _, i := range input {
		if s := i.Stats().Live; s.Lost != 0 || s.ConcealedSamples != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestPacketsThatComeLateHealTheProgram(t *testing.T) {
	m, input := newRoom(t, "a")
	rec := &recording{tb: t}
	m.OnProgram(rec.sink)
	// From 2.0 s to 2.7 s the packets come 800 ms late, all other ones in time.
	all := perform(t, input[0], 440, 0, 5*time.Second, func(n int64) time.Duration {
		if n >= 400 && n < 540 {
			return 800 * time.Millisecond
		}
		return 10 * time.Millisecond
	})
	play(m, all, 5*time.Second, nil)
	near(t, "tone before", level(rec.between(1500*time.Millisecond, 1900*time.Millisecond), 440), -20, 0.3)
	near(t, "tone that came late", level(rec.between(2*time.Second, 2700*time.Millisecond), 440), -20, 0.3)
	if r := audiotest.SINADDB(audiotest.Channel(rec.between(1900*time.Millisecond, 2800*time.Millisecond), 0, 2), 440); r < 25 {
		t.Errorf("tone to error is %.1f dB where packets came late", r)
	}
	if s := input[0].Stats(); s.Program.ConcealedSamples != 0 || s.Program.Late != 0 || s.Misplaced != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPacketsLaterThanTheProgramAreConcealedAndCounted(t *testing.T) {
	m, input := newRoom(t, "a")
	rec := &recording{tb: t}
	m.OnProgram(rec.sink)
	all := perform(t, input[0], 440, 0, 4*time.Second, func(n int64) time.Duration {
		if n >= 400 && n < 440 {
			return 1200 * time.Millisecond
		}
		return 10 * time.Millisecond
	})
	play(m, all, 4*time.Second, nil)
	s := input[0].Stats().Program
	if s.Lost != 40 || s.Late != 40 || s.ConcealedSamples != 40*liveSamples {
		t.Errorf("lost %d, late %d, concealed %d samples; want 40, 40, %d", s.Lost, s.Late, s.ConcealedSamples, 40*liveSamples)
	}
}

func TestLiarsAreDroppedAndCounted(t *testing.T) {
	m, input := newRoom(t, "a", "b")
	rec := &recording{tb: t}
	m.OnProgram(rec.sink)
	all := perform(t, input[1], 660, 0, 3*time.Second, steady)
	lies := perform(t, input[0], 440, 0, time.Second, steady)
	for i := range lies {
		lies[i].p.FirstSample += []int64{-1 << 62, 10 * sampleRate, -10 * sampleRate, 1 << 62, math.MinInt64, math.MaxInt64 / 2}[i%6]
	}
	play(m, append(all, lies...), 3*time.Second, nil)
	if s := input[0].Stats(); s.Misplaced != int64(len(lies)) {
		t.Errorf("%d of %d lies were counted", s.Misplaced, len(lies))
	}
	pcm := rec.between(500*time.Millisecond, 1500*time.Millisecond)
	near(t, "honest tone", level(pcm, 660), -20, 0.5)
	if got := level(pcm, 440); got > -80 {
		t.Errorf("the liar is heard at %.1f dBFS", got)
	}
}

func TestNewPublicationTakesOver(t *testing.T) {
	m, input := newRoom(t, "a")
	rec, live := &recording{tb: t}, &recording{tb: t}
	m.OnProgram(rec.sink)
	m.SubscribeMix("other", live.sink)
	old := perform(t, input[0], 440, 0, 2*time.Second, steady)
	all := append(old, perform(t, input[0], 880, 2*time.Second, 4*time.Second, steady)...)
	again := old[len(old)-1] // the old encoder speaks up when it is long over
	again.at = start.Add(5500 * time.Millisecond)
	again.p.FirstSample = roomSample(again.at)
	play(m, append(all, again), 6*time.Second, func(at time.Duration) {
		if at == 2500*time.Millisecond && len(m.roster.Load().seats[0].lanes) != 2 {
			t.Error("the two publications have no lane each")
		}
	})
	for name, r := range map[string]*recording{"program": rec, "live": live} {
		first, second := r.between(time.Second, 1900*time.Millisecond), r.between(2100*time.Millisecond, 4900*time.Millisecond)
		near(t, name+": old tone before", level(first, 440), -20, 0.5)
		near(t, name+": new tone after", level(second, 880), -20, 0.5)
		if got := level(second, 440); got > -70 {
			t.Errorf("%s: old tone after at %.1f dBFS", name, got)
		}
	}
	if n := len(m.roster.Load().seats[0].lanes); n != 1 {
		t.Errorf("%d lanes, want the old one drained", n)
	}
	if s := input[0].Stats(); s.Refused != 1 {
		t.Errorf("%d packets refused, want the one of the old publication", s.Refused)
	}
	if n := len(m.gone); n != 0 {
		t.Errorf("%d lanes are still to be closed", n)
	}
}

func TestTooManyPublicationsAreRefused(t *testing.T) {
	m, input := newRoom(t, "a")
	m.OnProgram(func([]float32, int64) {})
	for range 100 {
		p := packet.Packet{Publication: packet.NewPublicationID(), FirstSample: roomStart, Samples: 240, Payload: []byte{0xfc}}
		input[0].Push(&p, start)
	}
	if s := input[0].Stats(); s.Refused != 100-maxLanes {
		t.Errorf("%d refused, want %d", s.Refused, 100-maxLanes)
	}
	m.RemoveInput("a")
	p := packet.Packet{Publication: packet.NewPublicationID(), FirstSample: roomStart, Samples: 240, Payload: []byte{0xfc}}
	input[0].Push(&p, start)
	if s := input[0].Stats(); s.Refused != 101-maxLanes {
		t.Error("a removed input takes packets")
	}
	if len(m.roster.Load().seats) != 0 {
		t.Error("a removed input is still in the mix")
	}
}
