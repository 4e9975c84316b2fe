package jitter

import (
	"testing"
	"time"
)

// twoPaths sends everything over a faster and a slower path until the faster one ends.
func twoPaths(slower, end, length time.Duration) []flight {
	fast := network{seed: 1, packet: frame, length: end, delay: usualDelay, dev: time.Millisecond}.flights()
	slow := network{seed: 2, packet: frame, length: length, delay: usualDelay + slower, dev: time.Millisecond}.flights()
	for i := range slow {
		slow[i].path = PathForwarded
	}
	return merge(fast, slow)
}

func TestLiveCoversTheFasterPathAndSafeTheSlower(t *testing.T) {
	const slower, end, length = 15 * time.Millisecond, 30 * time.Second, 40 * time.Second
	safe := Safe()
	for name, c := range map[string]struct {
		cfg         Config
		least, most time.Duration // of the delay before the end of the faster path
		mostLate    int64
	}{
		"live": {Live(), 0, 14 * time.Millisecond, 6},
		"safe": {safe, 14 * time.Millisecond, 30 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			all := twoPaths(slower, end, length)
			p := NewPlayer(c.cfg, &toneDecoder{})
			heard := listen(p, until(all, end), end, frame)
			before := p.Stats()
			heard = append(heard, listenOn(p, all, end, length, frame)...)
			after := p.Stats()
			t.Logf("delay %v, paths %+v; after the end %v, %d late, %d concealed, %d stretches", before.CurrentDelay, before.Paths,
				after.CurrentDelay, after.Late-before.Late, after.ConcealedSamples-before.ConcealedSamples, after.Stretches-before.Stretches)
			if before.CurrentDelay < c.least || before.CurrentDelay > c.most {
				t.Errorf("delay is %v with both paths, want %v to %v", before.CurrentDelay, c.least, c.most)
			}
			if late := after.Late - before.Late; late > c.mostLate {
				t.Errorf("the end of a path made %d packets late, want at most %d", late, c.mostLate)
			}
			if d := before.Paths[PathForwarded].BaseDelay - before.Paths[PathDirect].BaseDelay; d < slower-2*time.Millisecond || d > slower+2*time.Millisecond {
				t.Errorf("the slower path is %v behind, want %v", d, slower)
			}
			if before.Paths[PathForwarded].Need <= before.Paths[PathDirect].Need {
				t.Errorf("needs of the paths: %+v", before.Paths)
			}
			steadyTail(t, heard, 5*time.Second)
		})
	}
}

// until keeps what arrives by then.
func until(all []flight, end time.Duration) (kept []flight) {
	for _, f := range all {
		if f.arrival <= end {
			kept = append(kept, f)
		}
	}
	return kept
}

// listenOn goes on where listen ended.
func listenOn(p *Player, all []flight, from, to time.Duration, frame int) (heard []float32) {
	pcm := make([]float32, 2*frame)
	for len(all) > 0 && all[0].arrival <= from {
		all = all[1:]
	}
	for at := from + samplesToTime(int64(frame)); at <= to; at += samplesToTime(int64(frame)) {
		for len(all) > 0 && all[0].arrival <= at {
			f := all[0]
			p.Inbox(f.path).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
			all = all[1:]
		}
		p.Frame(pcm, simStart.Add(at))
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	return heard
}

// A stall of 60 ms every 2 s costs the stalls' share and does not hold the delay at 60 ms.
func TestStallsDoNotRaiseTheDelayForGood(t *testing.T) {
	const length = 60 * time.Second
	all := network{seed: 3, packet: frame, length: length, delay: 2 * time.Millisecond, dev: time.Millisecond / 2}.flights()
	for i := range all {
		if into := all[i].arrival % (2 * time.Second); into < 60*time.Millisecond {
			all[i].arrival += 60*time.Millisecond - into
		}
	}
	p := NewPlayer(Live(), &toneDecoder{})
	heard := listen(p, all, length, frame/2)
	s := p.Stats()
	ratio := float64(s.ConcealedSamples) / float64(s.PlayedSamples)
	t.Logf("concealed %.2f %%, delay %v, stretches %d", 100*ratio, s.CurrentDelay, s.Stretches)
	if ratio > 0.018 || s.CurrentDelay > 45*time.Millisecond {
		t.Errorf("concealed %.4f at a delay of %v", ratio, s.CurrentDelay)
	}
	if step, at := greatestStep(heard); step > 3*toneSlope {
		t.Errorf("a click: step of %.3f at sample %d", step, at)
	}
}

// What Stats says of other delays is what setting them costs.
func TestOutlookTellsWhatOtherDelaysCost(t *testing.T) {
	const length = 30 * time.Second
	all := network{seed: 4, packet: frame, length: length, delay: usualDelay, dev: 3 * time.Millisecond, loss: 0.02}.flights()
	p := NewPlayer(Live(), &toneDecoder{})
	listen(p, all, length, frame)
	outlook := p.Stats().Outlook
	last, compared := 1.1, 0
	for _, o := range outlook {
		if o.Delay == 0 {
			continue
		}
		if o.LostRatio > last {
			t.Errorf("more delay loses more: %+v", outlook)
		}
		last = o.LostRatio
		cfg := Config{Initial: o.Delay, Min: o.Delay, Max: o.Delay, LateBudget: 0.005}
		fixed := NewPlayer(cfg, &toneDecoder{})
		listen(fixed, all, length, frame)
		stats := fixed.Stats()
		real := float64(stats.ConcealedSamples) / float64(stats.PlayedSamples)
		t.Logf("%v: said %.4f, was %.4f", o.Delay, o.LostRatio, real)
		if real > 1.1*o.LostRatio+0.01 || o.LostRatio < 0.1 && real < o.LostRatio/2-0.005 {
			t.Errorf("%v: %.4f of the sound was lost, %.4f foretold", o.Delay, real, o.LostRatio)
		}
		compared++
	}
	if compared < 6 {
		t.Errorf("only %d delays compared: %+v", compared, outlook)
	}
	if last < 0.01 || last > 0.03 {
		t.Errorf("at the longest delay %.4f are lost, the network loses 0.02", last)
	}
}
