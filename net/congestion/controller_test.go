package congestion

import (
	"testing"
	"time"
)

// One receiver's downlink, whatever it carries, is not the sender's uplink.
func TestOneReceiversDownlinkChangesNothing(t *testing.T) {
	s := simulate(3, voice, Config{})
	s.run(t, 5*time.Second, nil)
	s.down[2] = bottleneck{bps: 96_000, queue: 200 * time.Millisecond}
	s.run(t, 60*time.Second, func() {
		if d := s.decision; d.BitrateBPS != voice.BitrateBPS || d.Limited || !d.Full || d.Direct != 3 {
			t.Fatalf("%v: %+v", s.now, d)
		}
	})
	if s.down[2].lost == 0 {
		t.Error("the downlink was not short")
	}
}

// The way to the server alone is followed too, a while later, since the program depends on it.
func TestTheWayToTheServerCounts(t *testing.T) {
	s := simulate(3, voice, Config{})
	s.run(t, 5*time.Second, nil)
	s.down[0] = bottleneck{bps: 150_000, queue: 200 * time.Millisecond}
	s.run(t, 2*time.Second, nil)
	if s.decision.Limited {
		t.Error("limited at once")
	}
	s.run(t, 8*time.Second, nil)
	if !s.decision.Limited || s.decision.Whose != SideServer {
		t.Errorf("after 10 s: %+v", s.decision)
	}
}

// On an uplink that stays as it is, packets and paths stay as they are, and the bitrate moves little.
func TestNothingSwings(t *testing.T) {
	for _, bps := range []float64{96_000, 150_000, 220_000, 300_000, 512_000, 700_000} {
		s := simulate(2, voice, Config{})
		s.uplink = bottleneck{bps: bps, queue: 100 * time.Millisecond}
		s.jitter = 5 * time.Millisecond
		s.run(t, 30*time.Second, nil)
		s.changes, s.uplink.sent, s.uplink.lost = 0, 0, 0
		least, most := s.decision.BitrateBPS, s.decision.BitrateBPS
		s.run(t, 5*time.Minute, func() { least, most = min(least, s.decision.BitrateBPS), max(most, s.decision.BitrateBPS) })
		loss := float64(s.uplink.lost) / float64(s.uplink.sent)
		t.Logf("%.0f bit/s: %d changes in 5 min, bitrate %d to %d, %.2f %% lost", bps, s.changes, least, most, 100*loss)
		if s.changes > 10 || loss > 0.005 {
			t.Errorf("%.0f bit/s: %d changes in 5 min, %.2f %% lost", bps, s.changes, 100*loss)
		}
	}
}

// Loss by chance is not of the sender's making: it may cost bitrate for a moment, to find that out.
func TestLossByChanceIsLetBe(t *testing.T) {
	s := simulate(2, voice, Config{})
	s.loss = 0.15
	looks, limited := 0, 0
	s.run(t, 2*time.Minute, func() {
		if looks++; s.decision.Limited {
			limited++
		}
	})
	if share := float64(limited) / float64(looks); share > 0.1 {
		t.Errorf("limited for %.0f %% of the time", 100*share)
	}
	s = simulate(2, voice, Config{})
	s.loss = 0.05
	s.run(t, time.Minute, func() {
		if s.decision.Limited {
			t.Fatal("5 % of loss limit")
		}
	})
}

// What is not live gives way before the bitrate does, and takes what live packets leave.
func TestSpareGivesWayFirst(t *testing.T) {
	s := simulate(1, voice, Config{})
	s.uplink = bottleneck{bps: 600_000, queue: 300 * time.Millisecond} // 2 x 211 kbit/s are live
	var sent, looks int
	s.run(t, 20*time.Second, nil)
	s.run(t, 60*time.Second, func() {
		bytes := s.control.Spare() / 10
		for left := bytes; left > 0; left -= 1000 {
			s.uplink.pass(min(left, 1000), s.now)
		}
		s.control.Spent(bytes, s.now)
		sent += bytes
		if looks++; s.decision.BitrateBPS < voice.BitrateBPS*3/4 {
			t.Fatalf("%v: the bitrate fell to %d", s.now, s.decision.BitrateBPS)
		}
	})
	rate := 8 * float64(sent) / 60
	t.Logf("%.0f bit/s beside 422 kbit/s on 600", rate)
	if rate < 40_000 {
		t.Errorf("%.0f bit/s were sent, want more of what is left", rate)
	}
}

func TestNothingIsSpareWhereLiveDoesNotFit(t *testing.T) {
	s := simulate(1, voice, Config{})
	s.uplink = bottleneck{bps: 60_000, queue: 100 * time.Millisecond}
	s.run(t, 20*time.Second, nil)
	if n := s.control.Spare(); n > 200 {
		t.Errorf("%d bytes a second are spare", n)
	}
}

// A route that becomes longer is not a queue.
func TestALongerRouteIsGotUsedTo(t *testing.T) {
	s := simulate(1, voice, Config{})
	s.run(t, 20*time.Second, nil)
	s.skew += 40 * time.Millisecond
	s.run(t, 20*time.Second, nil)
	if s.decision.BitrateBPS != voice.BitrateBPS {
		t.Errorf("20 s later: %+v", s.decision)
	}
}

// A queue within a trial of less bitrate calls for less, whatever the trial finds out about loss.
func TestATrialForgetsNoCut(t *testing.T) {
	c, now := NewController(Config{}), time.Unix(1_000_000, 0)
	look := func(queue time.Duration) Decision {
		now = now.Add(100 * time.Millisecond)
		r := Report{Known: true, AckedBPS: 140_000, Queue: queue, Loss: 0.15}
		return c.Decide([]Path{{Server: true, Report: r}}, voice, now)
	}
	var d Decision
	for range 10 {
		look(0) // a trial begins
	}
	for range 4 {
		d = look(60 * time.Millisecond)
	}
	cut := d.UplinkBPS
	for range 10 { // and ends without an effect
		d = look(0)
	}
	if !d.Limited || d.UplinkBPS > cut {
		t.Errorf("after the trial %+v, within it %d bit/s", d, cut)
	}
}
