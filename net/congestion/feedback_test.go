package congestion

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
)

// record makes feedback of what a recorder got.
func record(r *Recorder, now time.Time) []byte { return r.Append(nil, 1, 2, now) }

// What a Recorder writes reads the same here and in somebody else's implementation, whatever got lost,
// reordered or delayed.
func TestFeedbackSurvivesTheWire(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	start := time.Unix(2_000_000, 0)
	for round := range 400 {
		var r Recorder
		type got struct {
			came bool
			at   time.Time
		}
		n := 1 + random.IntN(200)
		first := uint16(random.IntN(1 << 16))
		loss, jitter := random.Float64(), time.Duration(random.IntN(1+round))*time.Millisecond
		want := make([]got, n)
		for i := range want {
			if i > 0 && i < n-1 && random.Float64() < loss {
				continue
			}
			at := start
			if i > 0 { // the clock of a track starts with its first packet
				at = at.Add(time.Duration(i)*5*time.Millisecond + time.Duration(random.Int64N(int64(jitter+1))))
			}
			want[i] = got{true, at}
			r.Take(first+uint16(i), at)
		}
		packet := record(&r, start.Add(time.Minute))
		var theirs rtcp.TransportLayerCC
		if err := theirs.Unmarshal(packet); err != nil {
			t.Fatalf("round %d: somebody else cannot read it: %v", round, err)
		}
		if int(theirs.PacketStatusCount) != n || theirs.BaseSequenceNumber != first {
			t.Fatalf("round %d: %d packets from %d, want %d from %d", round, theirs.PacketStatusCount, theirs.BaseSequenceNumber, n, first)
		}
		f, err := parseFeedback(packet)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		i := 0
		origin := want[0].at // of delays: the first packet always comes
		var since time.Duration
		f.walk(func(number uint16, came bool, at time.Duration) {
			if number != first+uint16(i) || came != want[i].came {
				t.Fatalf("round %d: packet %d is %d, came %v", round, i, number, came)
			}
			if i == 0 {
				since = at
			}
			if off := at - since - want[i].at.Sub(origin); came && off.Abs() > time.Millisecond {
				t.Fatalf("round %d: packet %d is off by %v", round, i, off)
			}
			i++
		})
		if i != n {
			t.Fatalf("round %d: %d packets, want %d", round, i, n)
		}
	}
}

func TestARecorderGoesOnAfterSilence(t *testing.T) {
	var r Recorder
	now := time.Unix(2_000_000, 0)
	r.Take(65_530, now)
	record(&r, now)
	r.Take(65_528, now) // told of already
	if r.Due(now.Add(time.Minute), FeedbackEvery) {
		t.Error("there is nothing to tell")
	}
	r.Take(20_000, now.Add(time.Minute)) // far ahead
	f, err := parseFeedback(record(&r, now.Add(time.Minute)))
	if err != nil || f.base != 20_000 || f.count != 1 {
		t.Errorf("feedback %+v (%v), want one packet from 20000", f, err)
	}
}

// Whatever comes as feedback, it is taken or refused, and never makes more of it than was sent.
func FuzzFeedback(f *testing.F) {
	var r Recorder
	now := time.Unix(2_000_000, 0)
	for i := range 40 {
		if i%7 != 3 {
			r.Take(uint16(i), now.Add(time.Duration(i)*5*time.Millisecond))
		}
	}
	f.Add(record(&r, now))
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0x3f, 0xff, 0, 0})
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 1, 0, 0xff, 0xff, 0, 0})
	f.Fuzz(func(t *testing.T, packet []byte) {
		l := NewLink(now)
		for i := range 100 {
			l.Sent(150, now.Add(time.Duration(i)*5*time.Millisecond))
		}
		at := now.Add(500 * time.Millisecond)
		if err := l.Take(packet, at); err != nil {
			if l.Report(at).Known {
				t.Error("refused feedback has an effect")
			}
			return
		}
		for range 3 {
			_ = l.Take(packet, at)
		}
		if r := l.Report(at); r.Queue < 0 || r.Loss < 0 || r.Loss > 1 || r.AckedBPS < 0 {
			t.Errorf("report %+v", r)
		}
	})
}

func TestNothingIsAllocatedForAPacket(t *testing.T) {
	var r Recorder
	now, buf := time.Unix(2_000_000, 0), make([]byte, 0, 1500)
	l := NewLink(now)
	paths := make([]Path, 1)
	c := NewController(Config{})
	if n := testing.AllocsPerRun(2000, func() {
		now = now.Add(5 * time.Millisecond)
		r.Take(l.Sent(150, now), now)
		if r.Due(now, FeedbackEvery) {
			if err := l.Take(r.Append(buf, 1, 2, now), now); err != nil {
				t.Fatal(err)
			}
			paths[0] = Path{Server: true, Report: l.Report(now)}
			c.Decide(paths, voice, now)
		}
	}); n > 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}

// A wall clock that is set back looks like nothing at all.
func TestAWallClockThatIsSetIsNoQueue(t *testing.T) {
	var r Recorder
	started := time.Now()
	l, c := NewLink(started), NewController(Config{})
	recorded := time.Unix(2_000_000, 0)
	for i := range 2000 {
		since := time.Duration(i) * 5 * time.Millisecond
		now := started.Add(since)
		if since > 5*time.Second {
			now = setBack(now)
		}
		r.Take(l.Sent(150, now), recorded.Add(since+20*time.Millisecond))
		if !r.Due(recorded.Add(since), FeedbackEvery) {
			continue
		}
		if err := l.Take(r.Append(nil, 1, 2, recorded.Add(since)), now); err != nil {
			t.Fatal(err)
		}
		report := l.Report(now)
		if d := c.Decide([]Path{{Server: true, Report: report}}, voice, now); d.Limited || report.Queue > time.Millisecond {
			t.Fatalf("after %v: %+v, %+v", since, report, d)
		}
	}
}

// setBack is a moment on a machine whose wall clock was set back by an hour: only its monotonic reading tells.
func setBack(at time.Time) time.Time {
	const secondsShift = 30 // of time.Time's first word, where there is a monotonic reading
	*(*uint64)(unsafe.Pointer(&at)) -= 3600 << secondsShift
	return at
}

func TestSetBackIsWhatASystemDoes(t *testing.T) {
	now := time.Now()
	if back := setBack(now); back.Sub(now) != 0 || now.Round(0).Sub(back.Round(0)) != time.Hour {
		t.Errorf("%v became %v", now, back)
	}
}
