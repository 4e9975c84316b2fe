package jitter

import (
	"testing"
	"time"
)

// A server that was moved or whose machine started anew has another room time: the sender's positions step while
// its numbers go on. Each publication is followed once, at the delay that it had, and what is lost later is asked
// for as before.
func TestAStepOfRoomTimeIsFollowedOnce(t *testing.T) {
	const stepAt, length, loss = 15 * time.Second, 40 * time.Second, 0.05
	for name, step := range map[string]int64{"an hour ahead": 3600 * sampleRate, "an hour back": -3600 * sampleRate} {
		for seed := int64(1); seed <= 3; seed++ {
			fast := network{seed: seed, packet: frame, length: length, delay: usualDelay, dev: time.Millisecond, loss: loss}.flights()
			slow := network{seed: seed + 9, packet: frame, length: length, delay: usualDelay + 8*time.Millisecond, dev: time.Millisecond, loss: loss}.flights()
			for i := range slow {
				slow[i].path = PathForwarded
			}
			all := merge(fast, slow)
			for i := range all {
				if f := &all[i]; f.number >= int64(stepAt/(5*time.Millisecond)) {
					f.first += step
					f.payload = tonePayload(f.first, f.samples)
				}
			}
			p := NewPlayer(Safe(), &toneDecoder{})
			p.SetRoundTrip(time.Millisecond)
			heard := listen(p, until(all, stepAt), stepAt, frame)
			before := p.Stats()
			asked := len(takeAll(p))
			heard = append(heard, listenOn(p, all, stepAt, stepAt+time.Second, frame)...)
			stepped := p.Stats()
			takeAll(p)
			heard = append(heard, listenOn(p, all, stepAt+time.Second, length, frame)...)
			after := p.Stats()
			again := len(takeAll(p))
			t.Logf("%s, seed %d: %d resyncs, %v concealed in the second of the step, delay %v, then %v; %d and %d asked for", name, seed,
				after.Resyncs, samplesToTime(stepped.ConcealedSamples-before.ConcealedSamples), before.CurrentDelay, after.CurrentDelay, asked, again)
			if after.Resyncs != before.Resyncs+1 {
				t.Errorf("%s, seed %d: %d resyncs", name, seed, after.Resyncs-before.Resyncs)
			}
			if grown := after.CurrentDelay - before.CurrentDelay; grown > 2*time.Millisecond || grown < -4*time.Millisecond {
				t.Errorf("%s, seed %d: the delay went from %v to %v", name, seed, before.CurrentDelay, after.CurrentDelay)
			}
			if lost := float64(after.ConcealedSamples-stepped.ConcealedSamples) / float64(after.PlayedSamples-stepped.PlayedSamples); lost > 0.01 {
				t.Errorf("%s, seed %d: %.2f %% concealed long after the step", name, seed, 100*lost)
			}
			if asked == 0 || again == 0 {
				t.Errorf("%s, seed %d: %d packets were asked for before the step, %d after it", name, seed, asked, again)
			}
			silent := 0
			for from := int(stepAt.Seconds() * sampleRate); from+frame <= len(heard) && from < int((stepAt+2*time.Second).Seconds()*sampleRate); from += frame {
				if rms(heard[from:from+frame]) < 0.1 {
					silent++
				}
			}
			if silent > 60 {
				t.Errorf("%s, seed %d: %d ms without sound at the step", name, seed, 5*silent)
			}
			steadyTail(t, heard, 5*time.Second)
		}
	}
}

func takeAll(p *Player) []int64 {
	numbers := make([]int64, wantSlots)
	return numbers[:p.TakeMissing(numbers)]
}
