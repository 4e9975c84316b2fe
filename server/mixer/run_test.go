package mixer

import (
	"context"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/mix"
	"gasso/audio/opus"
	"gasso/net/packet"
)

// goroutines counts those that run this package's code.
func goroutines() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "mixer.(*Mixer).run")
}

func TestPeekWakesNobody(t *testing.T) {
	m := New(Config{RoomSample: func(at time.Time) int64 { return at.UnixNano() / 1000 * sampleRate / 1e6 }})
	input := m.AddInput("a")
	if levels, running := m.Peek(); running || len(levels.Strips) != 0 || m.programWanted(time.Now()) {
		t.Errorf("a look at a resting program gave %+v, running %v", levels, running)
	}
	m.Levels()
	levels, running := m.Peek()
	if !running || len(levels.Strips) != 1 || levels.Strips[0].ParticipantID != input.id {
		t.Errorf("a look at a metered program gave %+v, running %v", levels, running)
	}
	if m.programWanted(time.Now().Add(2*meteredFor)) || m.taken.Load() {
		t.Error("the program runs on although nobody meters it")
	}
}

func TestRunMixesInRealTimeAndEnds(t *testing.T) {
	begin := time.Now()
	m := New(Config{
		RoomSample:   func(at time.Time) int64 { return roomStart + int64(at.Sub(begin))/1000*sampleRate/1e6 },
		ProgramDelay: 100 * time.Millisecond,
	})
	input := m.AddInput("a")
	program, live := make(chan int64, 100), make(chan int64, 100)
	forward := func(to chan int64) func([]float32, int64) {
		return func(_ []float32, first int64) {
			select {
			case to <- first:
			default:
			}
		}
	}
	m.OnProgram(forward(program))
	cancelMix := m.SubscribeMix("a", forward(live))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()

	deadline := time.After(20 * time.Second)
	for name, sink := range map[string]chan int64{"program": program, "live": live} {
		step, last := map[string]int64{"program": programSamples, "live": liveSamples}[name], int64(0)
		for range 20 {
			select {
			case first := <-sink:
				if last != 0 && (first-last)%step != 0 {
					t.Errorf("%s: frames at %d and %d", name, last, first)
				}
				last = first
				p := packet.Packet{FirstSample: m.cfg.RoomSample(time.Now()), Samples: 240, Payload: []byte{0xfc, 0xff}}
				input.Push(&p, time.Now())
			case <-deadline:
				t.Fatalf("no frames from the %s bus", name)
			}
		}
	}
	if goroutines() == 0 {
		t.Error("no goroutine of the mixer found while it runs")
	}
	m.SetStrip("a", mix.Settings{GainDB: -3})
	m.AddInput("b")
	m.RemoveInput("b")
	cancelMix()
	m.OnProgram(nil)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := goroutines(); n != 0 {
		t.Errorf("%d goroutines left", n)
	}
	p := packet.Packet{Publication: packet.NewPublicationID(), FirstSample: m.cfg.RoomSample(time.Now()), Samples: 240, Payload: []byte{0xfc}}
	m.AddInput("late").Push(&p, time.Now())
	if got := len(m.roster.Load().seats); got != 0 {
		t.Errorf("%d seats after the end", got)
	}
}

func TestStripIsRememberedForInputsToCome(t *testing.T) {
	m, _ := newRoom(t)
	want := mix.Settings{GainDB: -3, Pan: 0.5}
	m.SetStrip("a", want)
	if m.Strip("a") != want {
		t.Errorf("strip is %v", m.Strip("a"))
	}
	first := m.AddInput("a")
	if m.Strip("a") != want {
		t.Errorf("strip of the input is %v", m.Strip("a"))
	}
	if m.AddInput("a") != first {
		t.Error("a participant has two inputs")
	}
}

func FuzzPush(f *testing.F) {
	f.Add(int64(0), int64(0), 240, byte(1), []byte{0xfc, 0xff, 0xfe})
	f.Add(int64(1)<<40, int64(-5000), 5760, byte(2), []byte{0})
	f.Add(int64(-1), int64(1)<<62, -1, byte(3), []byte{})
	f.Fuzz(func(t *testing.T, number, offset int64, samples int, publication byte, payload []byte) {
		m := New(Config{RoomSample: roomSample})
		defer m.close()
		input := m.AddInput("a")
		frames := 0
		m.OnProgram(func(pcm []float32, _ int64) { frames++ })
		m.SubscribeMix("b", func([]float32, int64) { frames++ })
		for i := range int64(8) {
			now := start.Add(time.Duration(i) * 50 * time.Millisecond)
			p := packet.Packet{
				Publication: packet.PublicationID{publication % byte(1+i)}, Number: number + i*i,
				FirstSample: roomSample(now) + offset, Samples: samples, Payload: payload,
			}
			input.Push(&p, now)
			m.liveUntil(now)
			m.programUntil(now)
		}
		if frames == 0 {
			t.Error("no frames")
		}
	})
}

// packetsFor encodes a second of a tone in packets of 5 ms.
func packetsFor(b *testing.B, hz float64) [][]byte {
	enc, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: 2, BitrateBPS: 128000, FrameSamples: liveSamples, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer enc.Close()
	var all [][]byte
	for _, d := range perform(b, nil, hz, 0, time.Second, steady) {
		all = append(all, d.p.Payload)
	}
	return all
}

// BenchmarkProgram32 is the cost of 10 ms of the program with 32 inputs: packets in, decoded, mixed.
func BenchmarkProgram32(b *testing.B) { benchmark(b, true, false) }

// BenchmarkLive32 is the cost of 10 ms of the live bus with 32 inputs, each with its mix-minus.
func BenchmarkLive32(b *testing.B) { benchmark(b, false, true) }

func benchmark(b *testing.B, program, live bool) {
	const inputs = 32
	payloads := packetsFor(b, 440)
	m := New(Config{RoomSample: roomSample, ProgramDelay: 100 * time.Millisecond})
	defer m.close()
	for i := range inputs {
		id := string(rune('A' + i))
		m.AddInput(id)
		if live {
			m.SubscribeMix(id, func([]float32, int64) {})
		}
	}
	if program {
		m.OnProgram(func([]float32, int64) {})
	}
	now, number := start, int64(0)
	p := packet.Packet{Samples: liveSamples}
	step := func() {
		for range 2 {
			now = now.Add(5 * time.Millisecond)
			for i := range m.inputs {
				p.Number, p.Payload = number, payloads[number%int64(len(payloads))]
				p.FirstSample = roomSample(now) - liveSamples
				m.inputs[i].Push(&p, now)
			}
			number++
			m.liveUntil(now)
		}
		m.programUntil(now)
	}
	for range 50 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e7*100, "%core")
}

func TestFramesAllocateNothing(t *testing.T) {
	m, input := newRoom(t, "a", "b", "c")
	m.OnProgram(func([]float32, int64) {})
	for _, id := range []string{"a", "listener"} { // one with, one without a sound of its own
		m.SubscribeMix(id, func([]float32, int64) {})
	}
	const length = 6 * time.Second
	var all []delivery
	for i, hz := range tones {
		all = append(all, perform(t, input[i], hz, 0, length, func(n int64) time.Duration {
			if n%19 == 7 {
				return -1 // so that frames are concealed, too
			}
			return 10 * time.Millisecond
		})...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at.Before(all[j].at) })
	arrive := func(now time.Time) {
		for len(all) > 0 && !all[0].at.After(now) {
			all[0].input.Push(&all[0].p, all[0].at)
			all = all[1:]
		}
	}
	now := start
	for ; now.Before(start.Add(3 * time.Second)); now = now.Add(5 * time.Millisecond) { // until all buffers run
		arrive(now)
		m.liveUntil(now)
		m.programUntil(now)
	}
	live, program, r := m.live.next, m.program.next, m.roster.Load()
	audiotest.CheckNoAllocs(t, func() {
		for range programSamples / liveSamples {
			arrive(now)
			m.liveFrame(r, live, now)
			live += liveSamples
			now = now.Add(5 * time.Millisecond)
		}
		m.programFrame(r, program)
		program += programSamples
	})
	if r != m.roster.Load() {
		t.Error("the roster changed meanwhile")
	}
	for _, i := range input {
		if s := i.Stats(); s.Live.ConcealedSamples == 0 || s.Program.ConcealedSamples == 0 || s.Live.PlayedSamples < 2*sampleRate || s.Program.PlayedSamples < 2*sampleRate {
			t.Errorf("nothing was played or concealed: %+v", s)
		}
	}
}
