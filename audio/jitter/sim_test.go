package jitter

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand"
	"sort"
	"testing"
	"time"
)

const (
	toneHz    = 440.0
	toneLevel = 0.5
	roomStart = int64(1_790_000_000) * sampleRate // a room time of these years
)

// toneDecoder is a codec whose packets hold the room time of a tone; concealment goes on with the
// tone at half the level, which is a step that the player cannot help.
type toneDecoder struct{ pos int64 }

func tonePayload(first int64, samples int) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[8:], uint32(samples))
	return b
}

func toneAt(pos int64) float32 {
	return float32(toneLevel * math.Sin(2*math.Pi*toneHz*float64(pos%(sampleRate))/sampleRate))
}

func (d *toneDecoder) Decode(pcm []float32, payload []byte) (int, error) {
	if len(payload) != 12 {
		return 0, errors.New("corrupt payload")
	}
	d.pos = int64(binary.BigEndian.Uint64(payload))
	n := int(binary.BigEndian.Uint32(payload[8:]))
	for i := range min(n, len(pcm)/2) {
		pcm[2*i] = toneAt(d.pos)
		pcm[2*i+1] = pcm[2*i]
		d.pos++
	}
	return n, nil
}

func (d *toneDecoder) Recover([]float32, []byte) error { return errors.New("no copy") }

func (d *toneDecoder) Conceal(pcm []float32) error {
	if len(pcm)%(2*concealUnit) != 0 {
		return errors.New("length is not a multiple of 2.5 ms")
	}
	for i := range len(pcm) / 2 {
		pcm[2*i] = toneAt(d.pos)
		pcm[2*i+1] = pcm[2*i]
		d.pos++
	}
	return nil
}

// flight is one copy of a packet on its way.
type flight struct {
	number, first int64
	samples       int
	payload       []byte
	path          int
	arrival       time.Duration
}

// network sends a tone in packets and says when which copy comes.
type network struct {
	seed       int64
	packet     int // samples
	length     time.Duration
	delay, dev time.Duration
	loss       float64
	stallAt    time.Duration // packets sent from there on for stall come at its end
	stall      time.Duration
	paths      int
	shiftAt    time.Duration // from there on everything takes shift longer
	shift      time.Duration
	pause      func(at time.Duration) bool // nothing is sent, numbers go on without a hole
}

func (n network) flights() []flight {
	rnd := rand.New(rand.NewSource(n.seed))
	var all []flight
	number := int64(0)
	for first := int64(0); ; first += int64(n.packet) {
		sent := samplesToTime(first + int64(n.packet))
		if sent > n.length {
			break
		}
		if n.pause != nil && n.pause(sent) {
			continue
		}
		for path := range max(n.paths, 1) {
			delay := n.delay + time.Duration(rnd.NormFloat64()*float64(n.dev))
			lost := rnd.Float64() < n.loss
			if sent >= n.shiftAt {
				delay += n.shift
			}
			arrival := sent + max(delay, 0)
			if sent >= n.stallAt && sent < n.stallAt+n.stall {
				arrival = max(arrival, n.stallAt+n.stall)
			}
			if lost {
				continue
			}
			all = append(all, flight{number, roomStart + first, n.packet, tonePayload(roomStart+first, n.packet), path, arrival})
		}
		number++
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].arrival < all[j].arrival })
	return all
}

func samplesToTime(n int64) time.Duration { return time.Duration(n) * time.Second / sampleRate }

var simStart = time.Unix(1_790_000_000, 0)

// listen plays the flights in simulated time and returns one channel of what is heard.
func listen(p *Player, all []flight, length time.Duration, frame int) []float32 {
	var heard []float32
	pcm := make([]float32, 2*frame)
	for k := int64(1); samplesToTime(k*int64(frame)) <= length; k++ {
		now := samplesToTime(k * int64(frame))
		for len(all) > 0 && all[0].arrival <= now {
			f := all[0]
			p.Inbox(f.path).Push(f.number, f.first, f.samples, f.payload, simStart.Add(f.arrival))
			all = all[1:]
		}
		p.Frame(pcm, simStart.Add(now))
		for i := 0; i < len(pcm); i += 2 {
			heard = append(heard, pcm[i])
		}
	}
	return heard
}

// greatestStep returns the greatest difference of neighbours.
func greatestStep(pcm []float32) (step float64, at int) {
	for i := 1; i < len(pcm); i++ {
		if d := math.Abs(float64(pcm[i] - pcm[i-1])); d > step {
			step, at = d, i
		}
	}
	return step, at
}

// errors of a sample against what its neighbours say of a pure tone, whatever its phase and level.
func toneErrors(pcm []float32) (greatest float64, over int) {
	c := 2 * math.Cos(2*math.Pi*toneHz/sampleRate)
	for i := 2; i < len(pcm); i++ {
		e := math.Abs(float64(pcm[i]) - c*float64(pcm[i-1]) + float64(pcm[i-2]))
		greatest = max(greatest, e)
		if e > 0.01 {
			over++
		}
	}
	return greatest, over
}

// The steepest slope of the tone; a click is a step of more than a few of these.
const toneSlope = toneLevel * 2 * math.Pi * toneHz / sampleRate

func TestNetworks(t *testing.T) {
	const length = 30 * time.Second
	ms := time.Millisecond
	for _, c := range []struct {
		name         string
		net          network
		maxConcealed float64
		maxDelay     time.Duration
	}{
		{"no impairment", network{packet: 240, delay: 10 * ms}, 0.0001, 5500 * time.Microsecond},
		{"jitter", network{packet: 240, delay: 10 * ms, dev: 3 * ms}, 0.003, 23 * ms},
		{"jitter, 1 % loss", network{packet: 240, delay: 10 * ms, dev: 3 * ms, loss: 0.01}, 0.014, 23 * ms},
		{"jitter, 5 % loss", network{packet: 240, delay: 10 * ms, dev: 3 * ms, loss: 0.05}, 0.056, 23 * ms},
		{"jitter, 10 % loss", network{packet: 240, delay: 10 * ms, dev: 3 * ms, loss: 0.10}, 0.106, 23 * ms},
		{"two paths, 10 % loss each", network{packet: 240, delay: 10 * ms, dev: 3 * ms, loss: 0.10, paths: 2}, 0.015, 21 * ms},
		{"stall of 60 ms", network{packet: 240, delay: 10 * ms, dev: ms, stallAt: 10 * time.Second, stall: 60 * ms}, 0.003, 11 * ms},
		{"packets of 2.5 ms, 5 % loss", network{packet: 120, delay: 10 * ms, dev: 3 * ms, loss: 0.05}, 0.056, 23 * ms},
		{"packets of 10 ms, 5 % loss", network{packet: 480, delay: 10 * ms, dev: 3 * ms, loss: 0.05}, 0.058, 25 * ms},
		{"packets of 60 ms, 1 % loss", network{packet: 2880, delay: 10 * ms, dev: 3 * ms, loss: 0.01}, 0.02, 16 * ms},
		{"packets of 120 ms", network{packet: 5760, delay: 10 * ms, dev: 3 * ms}, 0.01, 11 * ms},
		{"100 ms longer from the middle on", network{packet: 240, delay: 10 * ms, dev: ms, shiftAt: 15 * time.Second, shift: 100 * ms}, 0.011, 18 * ms},
		{"20 ms shorter from the middle on", network{packet: 240, delay: 40 * ms, dev: ms, shiftAt: 15 * time.Second, shift: -20 * ms}, 0.001, 26 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := int64(1); seed <= 3; seed++ {
				c.net.seed, c.net.length = seed, length
				p := NewPlayer(Config{}, &toneDecoder{})
				heard := listen(p, c.net.flights(), length, 240)
				s := p.Stats()
				ratio := float64(s.ConcealedSamples) / float64(s.PlayedSamples)
				step, at := greatestStep(heard)
				t.Logf("seed %d: concealed %.2f %%, target %.1f ms, delay %.1f ms, late %d, lost %d, stretched %d, resyncs %d, greatest step %.1f slopes",
					seed, 100*ratio, s.TargetDelay.Seconds()*1e3, s.CurrentDelay.Seconds()*1e3, s.Late, s.Lost, s.Stretched, s.Resyncs, step/toneSlope)
				if ratio > c.maxConcealed {
					t.Errorf("concealed %.4f, want at most %.4f", ratio, c.maxConcealed)
				}
				if s.CurrentDelay > c.maxDelay {
					t.Errorf("delay %v, want at most %v", s.CurrentDelay, c.maxDelay)
				}
				if step > 3*toneSlope {
					t.Errorf("a click: step of %.3f at sample %d, the tone has %.3f", step, at, toneSlope)
				}
				if level := rms(heard[len(heard)-sampleRate:]); level < 0.3 {
					t.Errorf("the last second has an RMS of %.3f", level)
				}
			}
		})
	}
}

func rms(pcm []float32) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(pcm)))
}
