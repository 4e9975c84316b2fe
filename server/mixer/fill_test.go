package mixer

import (
	"bytes"
	"testing"
	"time"

	"gasso/net/packet"
)

func TestBackfillHealsTheProgramBesideLive(t *testing.T) {
	m, inputs := newRoom(t, "a")
	program := recording{tb: t}
	m.OnProgram(program.sink)
	all := perform(t, inputs[0], 440, 0, 6*time.Second, steady)
	heal := all[:0:0]
	live := all[:0:0]
	for _, d := range all {
		if number := d.p.Number; number > 300 && number < 400 {
			heal = append(heal, d)
		} else {
			live = append(live, d)
		}
	}
	play(m, live, 6*time.Second, func(at time.Duration) {
		for len(heal) > 0 && !start.Add(at).Before(heal[0].at.Add(600*time.Millisecond)) {
			inputs[0].Fill(&heal[0].p, start.Add(at))
			heal = heal[1:]
		}
	})
	near(t, "the healed second", level(program.between(1600*time.Millisecond, 1900*time.Millisecond), 440), -20, 0.5)
	if s := inputs[0].Stats().Program; s.Lost != 0 || s.ConcealedSamples != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBackfillOfAPublicationThatNeverCameLiveIsMixed(t *testing.T) {
	m, inputs := newRoom(t, "a")
	m.OnProgram(func([]float32, int64) {})
	now := start.Add(10 * time.Second)
	p := packet.Packet{FirstSample: m.cfg.RoomSample(now) - sampleRate/2, Samples: 240, Payload: bytes.Repeat([]byte{0xfc}, 3)}
	for i := range byte(maxFilled + 2) {
		p.Publication = packet.PublicationID{i + 1}
		inputs[0].Fill(&p, now)
	}
	if n := len(inputs[0].lanes); n != maxFilled || inputs[0].refused.Load() != 2 {
		t.Errorf("%d lanes, %d refused", n, inputs[0].refused.Load())
	}
	p.Publication = packet.PublicationID{1}
	inputs[0].Push(&p, now) // it comes live after all
	lanes := inputs[0].lanes
	if len(lanes) != maxFilled || lanes[len(lanes)-1].publication != p.Publication || inputs[0].newest.Load() != lanes[len(lanes)-1] {
		t.Errorf("%d lanes, the newest is not the one that came live", len(lanes))
	}
	old := p
	old.FirstSample = m.cfg.RoomSample(now) - m.delaySamples() - 240
	old.Publication = packet.PublicationID{99}
	inputs[0].Fill(&old, now)
	if len(inputs[0].lanes) != maxFilled {
		t.Error("what the program is past got a lane")
	}
}
