package jitter

import (
	"math"
	"math/rand"
	"testing"
	"time"
)

const frame = 240

// packets returns so many packets of 5 ms from a number and a room time on, arriving delay after their end.
func packets(number, first int64, count int, delay time.Duration) []flight {
	var all []flight
	for range count {
		end := samplesToTime(first + frame - roomStart)
		all = append(all, flight{number, first, frame, tonePayload(first, frame), 0, end + delay})
		number++
		first += frame
	}
	return all
}

const usualDelay = 10 * time.Millisecond

// steadyTail tells whether the end of what was heard is the tone at its level, without a click.
func steadyTail(t *testing.T, heard []float32, length time.Duration) {
	t.Helper()
	tail := heard[len(heard)-int(length.Seconds()*sampleRate):]
	if level := rms(tail); math.Abs(level-toneLevel/math.Sqrt2) > 0.02 {
		t.Errorf("RMS of the end is %.3f, want %.3f", level, toneLevel/math.Sqrt2)
	}
	if step, at := greatestStep(heard); step > 3*toneSlope {
		t.Errorf("a click: step of %.3f at sample %d", step, at)
	}
}

func TestReorderedAndDuplicatedPackets(t *testing.T) {
	all := packets(0, roomStart, 400, usualDelay)
	var twice []flight
	for i := 0; i+1 < len(all); i += 2 { // swapped in pairs; again over the other path, a little later
		all[i].arrival = all[i+1].arrival
		all[i], all[i+1] = all[i+1], all[i]
		for _, f := range all[i : i+2] {
			twice = append(twice, f)
			f.path = 1
			twice = append(twice, f)
		}
	}
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, twice, 2020*time.Millisecond, frame)
	s := p.Stats()
	if s.Received != [2]int64{400, 400} || s.Duplicates != 400 || s.Lost != 0 || s.Late != 0 {
		t.Errorf("%+v", s)
	}
	steadyTail(t, heard, 1500*time.Millisecond)
	if _, over := toneErrors(heard[sampleRate/2:]); over != 0 {
		t.Errorf("%d samples are not of the tone", over)
	}
}

func TestOnePathDies(t *testing.T) {
	direct, forwarded := packets(0, roomStart, 200, usualDelay), packets(0, roomStart, 600, 12*time.Millisecond)
	for i := range forwarded {
		forwarded[i].path = 1
	}
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, merge(direct, forwarded), 3*time.Second, frame)
	s := p.Stats()
	if s.Lost != 0 || s.ConcealedSamples != 0 {
		t.Errorf("%+v", s)
	}
	steadyTail(t, heard, 2500*time.Millisecond)
}

func merge(a, b []flight) []flight {
	var all []flight
	for len(a) > 0 && len(b) > 0 {
		if a[0].arrival <= b[0].arrival {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

func TestPauseOfTheSenderIsNoLoss(t *testing.T) {
	n := network{seed: 1, packet: frame, length: 10 * time.Second, delay: usualDelay, dev: time.Millisecond}
	n.pause = func(at time.Duration) bool { return at > 3*time.Second && at < 7*time.Second }
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, n.flights(), n.length, frame)
	s := p.Stats()
	if s.Lost != 0 || s.ConcealedSamples != 0 || s.Late != 0 {
		t.Errorf("%+v", s)
	}
	if level := rms(heard[4*sampleRate : 6*sampleRate]); level != 0 {
		t.Errorf("RMS of the pause is %v", level)
	}
	steadyTail(t, heard, 2*time.Second)
}

func TestOutageIsConcealedFadesAndIsCounted(t *testing.T) {
	all := append(packets(0, roomStart, 400, usualDelay), packets(600, roomStart+600*frame, 400, usualDelay)...)
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, all, 5*time.Second, frame)
	s := p.Stats()
	if s.Lost != 200 || s.ConcealedSamples < 195*frame || s.ConcealedSamples > 205*frame {
		t.Errorf("lost %d, concealed %d samples; want 200, about %d", s.Lost, s.ConcealedSamples, 200*frame)
	}
	gap := int(2*sampleRate + 0.05*sampleRate) // the outage begins there, and the fade is not over
	if level := rms(heard[gap-240 : gap]); level < 0.05 {
		t.Errorf("RMS of %.3f after some 30 ms of concealment", level)
	}
	if level := rms(heard[gap+4800 : gap+sampleRate/2]); level != 0 {
		t.Errorf("RMS of %.3f in a long outage", level)
	}
	if s.ConcealedRatio5s < 0.15 || s.ConcealedRatio5s > 0.25 {
		t.Errorf("concealed ratio of 5 s is %.3f, want about 0.2", s.ConcealedRatio5s)
	}
	steadyTail(t, heard, 1500*time.Millisecond)
}

func TestFirstSampleJumps(t *testing.T) {
	for name, c := range map[string]struct {
		jump    int64
		resyncs bool
	}{
		"20 ms ahead":  {960, false},
		"60 ms ahead":  {2880, false},
		"60 ms back":   {-2880, false},
		"500 ms ahead": {24000, true},
		"500 ms back":  {-24000, true},
		"days ahead":   {5 << 32, true},
		"days back":    {-5 << 32, true},
		"2^31 ahead":   {1 << 31, true},
		"2^31 back":    {-1 << 31, true},
	} {
		t.Run(name, func(t *testing.T) {
			all := packets(0, roomStart, 600, usualDelay)
			for _, f := range packets(600, roomStart+600*frame, 1400, usualDelay) {
				f.first += c.jump
				f.payload = tonePayload(f.first, frame)
				all = append(all, f)
			}
			p := NewPlayer(Config{}, &toneDecoder{})
			heard := listen(p, all, 10*time.Second, frame)
			s := p.Stats()
			if (s.Resyncs > 0) != c.resyncs {
				t.Errorf("%d resyncs", s.Resyncs)
			}
			steadyTail(t, heard, 5*time.Second)
			if limit := 110 * time.Millisecond; s.CurrentDelay > limit {
				t.Errorf("delay is %v", s.CurrentDelay)
			}
			silent := 0
			for i := 3 * sampleRate; i < 5*sampleRate; i += frame {
				if rms(heard[i:i+frame]) < 0.1 {
					silent++
				}
			}
			if silent > 60 {
				t.Errorf("%d ms without sound at the jump", silent*5)
			}
		})
	}
}

func TestCorruptPayloadsAreConcealed(t *testing.T) {
	all := packets(0, roomStart, 600, usualDelay)
	for i := 100; i < 600; i += 50 {
		all[i].payload = []byte("no packet")
	}
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, all, 3*time.Second, frame)
	if s := p.Stats(); s.Corrupt != 10 || s.ConcealedSamples != 10*frame {
		t.Errorf("%+v", s)
	}
	steadyTail(t, heard, 2*time.Second)
}

func TestImpossiblePacketsAreCountedOnly(t *testing.T) {
	p := NewPlayer(Config{}, &toneDecoder{})
	for _, f := range []flight{
		{number: -1, samples: frame, payload: []byte{1}},
		{number: maxNumber + 1, samples: frame, payload: []byte{1}},
		{first: math.MaxInt64, samples: frame, payload: []byte{1}},
		{first: math.MinInt64, samples: frame, payload: []byte{1}},
		{samples: 0, payload: []byte{1}},
		{samples: maxPacketSamples + 1, payload: []byte{1}},
		{samples: frame},
		{samples: frame, payload: make([]byte, maxPayload+1)},
	} {
		p.Inbox(PathDirect).Push(f.number, f.first, f.samples, f.payload, simStart)
	}
	p.Frame(make([]float32, 2*frame), simStart)
	if s := p.Stats(); s.Invalid != 8 || s.Received[0] != 0 || s.PlayedSamples != 0 || !s.LastArrival.IsZero() {
		t.Errorf("%+v", s)
	}
}

func TestFullInboxDropsAndRecovers(t *testing.T) {
	p := NewPlayer(Config{}, &toneDecoder{})
	all := packets(0, roomStart, 2000, usualDelay)
	for _, f := range all[:1000] { // the playout stands still for 5 s
		p.Inbox(0).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
	}
	if s := p.Stats(); s.Dropped != 1000-inboxRecords {
		t.Errorf("dropped %d, want %d", s.Dropped, 1000-inboxRecords)
	}
	var heard []float32
	pcm := make([]float32, 2*frame)
	for _, f := range all[1000:] {
		p.Inbox(0).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
		p.Frame(pcm, simStart.Add(f.arrival))
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	steadyTail(t, heard, 4*time.Second)
	if s := p.Stats(); s.CurrentDelay > 40*time.Millisecond {
		t.Errorf("delay %v after the standstill", s.CurrentDelay)
	}
}

// A loudspeaker whose clock is off makes the delay drift; cuts hold it without a click.
func TestDriftOfTheLoudspeakerIsHeld(t *testing.T) {
	for _, ppm := range []float64{-300, 300} {
		n := network{seed: 1, packet: frame, length: 60 * time.Second, delay: usualDelay, dev: time.Millisecond}
		p := NewPlayer(Config{}, &toneDecoder{})
		all, pcm := n.flights(), make([]float32, 2*frame)
		var heard []float32
		for at := time.Duration(0); at < n.length; at += time.Duration(5e6 * (1 + ppm*1e-6)) {
			for len(all) > 0 && all[0].arrival <= at {
				p.Inbox(0).Push(all[0].number, all[0].first, frame, all[0].payload, simStart.Add(all[0].arrival))
				all = all[1:]
			}
			p.Frame(pcm, simStart.Add(at))
			for i := 0; i < len(pcm); i += 2 {
				heard = append(heard, pcm[i])
			}
		}
		s := p.Stats()
		t.Logf("%v ppm: target %v, delay %v, stretched %d, concealed %d", ppm, s.TargetDelay, s.CurrentDelay, s.Stretched, s.ConcealedSamples)
		if s.Stretched < 600 || s.Resyncs != 0 || s.ConcealedSamples > 10*frame {
			t.Errorf("%+v", s)
		}
		if d := (s.CurrentDelay - s.TargetDelay).Abs(); d > 8*time.Millisecond {
			t.Errorf("delay is %v off its target", d)
		}
		steadyTail(t, heard, 59*time.Second)
	}
}

func TestTargetCanBeSetWhileRunning(t *testing.T) {
	p := NewPlayer(Config{}, &toneDecoder{})
	all := packets(0, roomStart, 2000, usualDelay)
	heard := listen(p, all[:1000], 5*time.Second, frame)
	before := p.Stats().CurrentDelay
	p.SetTarget(Config{Min: 60 * time.Millisecond})
	pcm := make([]float32, 2*frame)
	for i, f := range all[1000:] {
		p.Inbox(0).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
		p.Frame(pcm, simStart.Add(5*time.Second+samplesToTime(int64(i+1)*frame)))
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	after := p.Stats().CurrentDelay
	if before > 14*time.Millisecond || after < 57*time.Millisecond || after > 70*time.Millisecond {
		t.Errorf("delay went from %v to %v, want 60 ms", before, after)
	}
	steadyTail(t, heard, 9*time.Second)
}

func TestAnyFrameSize(t *testing.T) {
	n := network{seed: 1, packet: frame, length: 10 * time.Second, delay: usualDelay, dev: time.Millisecond, loss: 0.05}
	for _, size := range []int{1, 32, 64, 128, 441, 480, 1024, 5760, 10000} {
		p := NewPlayer(Config{}, &toneDecoder{})
		heard := listen(p, n.flights(), n.length, size)
		s := p.Stats()
		if ratio := float64(s.ConcealedSamples) / float64(s.PlayedSamples); ratio > 0.08 {
			t.Errorf("frames of %d: concealed %.3f", size, ratio)
		}
		if step, at := greatestStep(heard); step > 3*toneSlope {
			t.Errorf("frames of %d: a click: step of %.3f at sample %d", size, step, at)
		}
		if level := rms(heard[len(heard)-sampleRate:]); level < 0.3 {
			t.Errorf("frames of %d: RMS of the end is %.3f", size, level)
		}
	}
}

func TestFrameAllocatesNothing(t *testing.T) {
	n := network{seed: 1, packet: frame, length: 20 * time.Second, delay: usualDelay, dev: 3 * time.Millisecond, loss: 0.1, paths: 2}
	all, at := n.flights(), time.Duration(0)
	cfg := Safe()
	cfg.FEC = true
	p, pcm, numbers := NewPlayer(cfg, &toneDecoder{}), make([]float32, 2*frame), make([]int64, 8)
	p.SetRoundTrip(time.Millisecond)
	count := testing.AllocsPerRun(3000, func() {
		at += 5 * time.Millisecond
		for len(all) > 0 && all[0].arrival <= at {
			p.Inbox(all[0].path).Push(all[0].number, all[0].first, frame, all[0].payload, simStart.Add(all[0].arrival))
			all = all[1:]
		}
		p.Frame(pcm, simStart.Add(at))
		p.Stats()
		p.Residual()
		p.TakeMissing(numbers)
	})
	if count != 0 {
		t.Errorf("%v allocations in a frame", count)
	}
}

// One goroutine for each path and one for the playout, for the race detector.
func TestPathsArePushedByGoroutinesOfTheirOwn(t *testing.T) {
	p := NewPlayer(Config{}, &toneDecoder{})
	done := make(chan struct{})
	for path := range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			rnd := rand.New(rand.NewSource(int64(path)))
			for _, f := range packets(0, roomStart, 3000, usualDelay) {
				if rnd.Intn(10) > 0 {
					p.Inbox(path).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
				}
			}
		}()
	}
	pcm := make([]float32, 2*frame)
	for running, at := 2, time.Duration(0); running > 0; at += 5 * time.Millisecond {
		select {
		case <-done:
			running--
		default:
			p.Frame(pcm, simStart.Add(at))
			p.SetTarget(Config{})
			p.Stats()
		}
	}
	if s := p.Stats(); s.Received[0]+s.Received[1]+s.Dropped < 5000 {
		t.Errorf("%+v", s)
	}
}

// Packets of every length that there is, one after the other, are one signal.
func TestLengthsMayChangeFromPacketToPacket(t *testing.T) {
	lengths := []int{120, 240, 480, 960, 1920, 2880, 5760}
	var all []flight
	number, first := int64(0), roomStart
	for first < roomStart+20*sampleRate {
		n := lengths[number%int64(len(lengths))]
		all = append(all, flight{number, first, n, tonePayload(first, n), 0, samplesToTime(first+int64(n)-roomStart) + usualDelay})
		number, first = number+1, first+int64(n)
	}
	p := NewPlayer(Config{}, &toneDecoder{})
	heard := listen(p, all, 20*time.Second, 128)
	if s := p.Stats(); s.Lost > 3 || s.CurrentDelay > 200*time.Millisecond {
		t.Errorf("%+v", s)
	}
	steadyTail(t, heard, 10*time.Second)
}

// Numbers that start over or jump by more than any loss are followed in the end.
func TestNumbersMayJump(t *testing.T) {
	for name, next := range map[string]int64{"start over": 0, "far ahead": 1 << 33, "at the top": maxNumber - 500} {
		all := packets(2000, roomStart, 600, usualDelay)
		all = append(all, packets(next, roomStart+600*frame, 400, usualDelay)...)
		p := NewPlayer(Config{}, &toneDecoder{})
		heard := listen(p, all, 5*time.Second, frame)
		if level := rms(heard[len(heard)-sampleRate:]); level < 0.3 {
			t.Errorf("%s: RMS of the end is %.3f", name, level)
		}
	}
}
