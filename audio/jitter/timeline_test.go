package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"
)

// readLine pushes each flight when it arrives and reads the timeline delay behind room time.
func readLine(l *Timeline, all []flight, length, delay time.Duration) []float32 {
	var heard []float32
	pcm := make([]float32, 2*480)
	for first := int64(0); samplesToTime(first) < length; first += 480 {
		for len(all) > 0 && all[0].arrival <= samplesToTime(first+480)+delay {
			f := all[0]
			l.Inbox().Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
			all = all[1:]
		}
		l.Frame(pcm, roomStart+first)
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	return heard
}

func TestTimelinePutsLatePacketsInTheirPlace(t *testing.T) {
	n := network{
		seed: 1, packet: frame, length: 6 * time.Second, delay: usualDelay, dev: 3 * time.Millisecond,
		stallAt: 2 * time.Second, stall: 900 * time.Millisecond,
	}
	l := NewTimeline(3*time.Second, &toneDecoder{})
	heard := readLine(l, n.flights(), 6*time.Second, time.Second)
	if s := l.Stats(); s.Lost != 0 || s.Late != 0 || s.ConcealedSamples != 0 {
		t.Errorf("%+v", s)
	}
	for i := fadeIn; i < len(heard)-frame; i++ {
		if d := math.Abs(float64(heard[i] - toneAt(roomStart+int64(i)))); d > 1e-6 {
			t.Fatalf("sample %d is %v off the tone at its room time", i, d)
		}
	}
}

func TestTimelineTakesPacketsOfASecondWay(t *testing.T) {
	n := network{seed: 1, packet: frame, length: 3 * time.Second, delay: usualDelay}
	l := NewTimeline(3*time.Second, &toneDecoder{})
	var first []flight
	for _, f := range n.flights() {
		if f.number%3 == 0 {
			l.Late().Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
		} else {
			first = append(first, f)
		}
	}
	readLine(l, first, 3*time.Second, time.Second)
	if s := l.Stats(); s.Lost != 0 || s.Late != 0 || s.ConcealedSamples != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTimelineConcealsWhatNeverComes(t *testing.T) {
	n := network{seed: 1, packet: frame, length: 10 * time.Second, delay: usualDelay, loss: 0.05}
	l := NewTimeline(2*time.Second, &toneDecoder{})
	heard := readLine(l, n.flights(), 10*time.Second, time.Second)
	s := l.Stats()
	if ratio := float64(s.ConcealedSamples) / float64(s.PlayedSamples); ratio < 0.03 || ratio > 0.07 {
		t.Errorf("concealed %.3f of it, want 0.05", ratio)
	}
	if step, at := greatestStep(heard); step > 3*toneSlope {
		t.Errorf("a click: step of %.3f at sample %d", step, at)
	}
	if _, over := toneErrors(heard[fadeIn : 9*sampleRate]); over > 0 { // the test's concealment is perfect
		t.Errorf("%d samples are not of the tone", over)
	}
}

func TestTimelineFollowsJumpsOfTheReader(t *testing.T) {
	l := NewTimeline(2*time.Second, &toneDecoder{})
	for _, f := range packets(0, roomStart, 200, usualDelay) {
		l.Inbox().Push(f.number, f.first, f.samples, f.payload, simStart)
	}
	pcm := make([]float32, 2*480)
	l.Frame(pcm, roomStart)
	l.Frame(pcm, roomStart+24000)
	l.Frame(pcm, roomStart+24480)
	for i := range 480 {
		if d := math.Abs(float64(pcm[2*i] - toneAt(roomStart+24480+int64(i)))); d > 1e-6 {
			t.Fatalf("sample %d after the jump is %v off", i, d)
		}
	}
}

func TestNumberingThatStartsOverIsBelievedInTheEnd(t *testing.T) {
	l := NewTimeline(2*time.Second, &toneDecoder{})
	bogus := packets(maxNumber, roomStart, 1, usualDelay)
	heard := readLine(l, append(bogus, packets(1, roomStart+frame, 400, usualDelay)...), 2*time.Second, time.Second)
	if level := rms(heard[len(heard)-sampleRate:]); level < 0.3 {
		t.Errorf("RMS of the end is %.3f: one bogus number silenced the rest", level)
	}
}

// fuzzDecoder claims what the payload says, within the codec's contract or out of it.
type fuzzDecoder struct{ t *testing.T }

func (d fuzzDecoder) Decode(pcm []float32, payload []byte) (int, error) {
	if len(payload) == 0 || len(payload) > maxPayload || len(pcm) < 2*maxPacketSamples {
		d.t.Fatalf("%d bytes for %d values", len(payload), len(pcm))
	}
	for i := range pcm {
		pcm[i] = 0.5
	}
	if payload[0]%5 == 4 { // no numbers
		pcm[0], pcm[1], pcm[2], pcm[3] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e30
	}
	return int(payload[0])*40 - 100, nil
}

func (d fuzzDecoder) Recover([]float32, []byte) error { return errors.New("no copy") }

func (d fuzzDecoder) Conceal(pcm []float32) error {
	if len(pcm) == 0 || len(pcm)%(2*concealUnit) != 0 {
		d.t.Fatalf("conceal %d values", len(pcm))
	}
	clear(pcm)
	return nil
}

// FuzzPushFrame reads steps of 20 bytes: path and frame size, number, first sample, samples, payload size and arrival.
func FuzzPushFrame(f *testing.F) {
	step := func(kind byte, number, first int64, samples uint16, size byte) []byte {
		b := []byte{kind}
		b = binary.BigEndian.AppendUint64(b, uint64(number))
		b = binary.BigEndian.AppendUint64(b, uint64(first))
		b = binary.BigEndian.AppendUint16(b, samples)
		return append(b, size)
	}
	var even, wild []byte
	for i := range int64(20) {
		even = append(even, step(byte(i), i, i*240, 240, 8)...)
		wild = append(wild, step(byte(i*7), i<<i, (i*i)<<(2*i), uint16(i*400), byte(i*13))...)
	}
	f.Add(even)
	f.Add(wild)
	f.Fuzz(fuzzRun)
}

func fuzzRun(t *testing.T, data []byte) {
	p := NewPlayer(Config{}, fuzzDecoder{t})
	l := NewTimeline(time.Second, fuzzDecoder{t})
	now, room := simStart, int64(0)
	pcm, payload := make([]float32, 2*6000), make([]byte, 2000)
	for steps := 0; len(data) >= 20 && steps < 64; data, steps = data[20:], steps+1 {
		kind, size := int(data[0]), int(data[19])*7
		payload[0] = data[19]
		number, first := int64(binary.BigEndian.Uint64(data[1:])), int64(binary.BigEndian.Uint64(data[9:]))
		samples := int(int16(binary.BigEndian.Uint16(data[17:])))
		arrival := now.Add(time.Duration(kind-128) * time.Millisecond)
		p.Inbox(kind%2).Push(number, first, samples, payload[:size], arrival)
		l.Inbox().Push(number, first, samples, payload[:size], arrival)
		frame := 1 + kind*23
		p.Frame(pcm[:2*frame], now)
		finite(t, pcm[:2*frame])
		l.Frame(pcm[:2*frame], room)
		finite(t, pcm[:2*frame])
		now = now.Add(samplesToTime(int64(frame)))
		room += int64(frame)
		if kind == 255 {
			room = first
			now = now.Add(10 * time.Second)
		}
	}
	p.Stats()
	l.Stats()
}

func finite(t *testing.T, pcm []float32) {
	for _, v := range pcm {
		if !(v >= -2*loudest && v <= 2*loudest) { // a blend may add to it
			t.Fatalf("sample %v", v)
		}
	}
}
