package session

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is a computer in simulated time on which each step saves some CPU.
type machine struct {
	governor governor
	now      time.Time
	asked    quality
	load     func(in quality) Load // what it would show with this quality
	steps    []int                 // every step taken, in order
}

func newMachine(asked quality) *machine {
	return &machine{now: time.Unix(1_000_000, 0), asked: asked, load: func(quality) Load { return Load{} }}
}

// run lets it look so often as it would in a while; it returns how often the step changed.
func (m *machine) run(d time.Duration) (changes int) {
	for end := m.now.Add(d); m.now.Before(end); {
		m.now = m.now.Add(lookEvery)
		if m.governor.observe(m.now, m.load(m.asked.lower(m.governor.step)), m.asked) {
			m.steps = append(m.steps, m.governor.step)
			changes++
		}
	}
	return changes
}

func everything(mode Mode) quality {
	return quality{meterInterval: meterEvery, loudness: true, complexity: fullComplexity, noise: true, mode: mode}
}

func cpu(percent float64) Load { return Load{CPUPercent: percent, CPULimitPercent: 100} }

// costs is the CPU of a quality; so much more is used by what cannot be lowered.
func costs(q quality, more float64) float64 {
	percent := more + float64(q.complexity)
	if q.meterInterval == meterEvery {
		percent += 5
	}
	if q.noise {
		percent += 10
	}
	switch q.mode {
	case ModeStudio:
		percent += 20
	case ModeLive:
		percent += 10
	}
	return percent
}

func TestQualityIsLoweredInTheStatedOrder(t *testing.T) {
	silent, music, hidden := everything(ModeLive), everything(ModeStudio), everything(ModeLive)
	silent.noise, music.noise, hidden.meterInterval, hidden.loudness = false, false, 0, false
	for name, c := range map[string]struct {
		asked quality
		want  []int
	}{
		"studio":              {everything(ModeStudio), []int{1, 2, 3, 4, 5, 6}},
		"live":                {everything(ModeLive), []int{1, 2, 3, 4, 5}},
		"safe":                {everything(ModeSafe), []int{1, 2, 3, 4}},
		"without suppression": {silent, []int{1, 2, 3, 5}},
		"music in studio":     {music, []int{1, 2, 3, 5, 6}},
		"hidden":              {hidden, []int{2, 3, 4, 5}},
	} {
		m := newMachine(c.asked)
		m.load = func(quality) Load { return cpu(120) }
		m.run(30 * time.Second)
		if !slices.Equal(m.steps, c.want) || !m.governor.exhausted {
			t.Errorf("%s: steps %v, want %v; exhausted %v", name, m.steps, c.want, m.governor.exhausted)
		}
		down := m.steps
		m.steps, m.load = nil, func(quality) Load { return cpu(10) }
		m.run(30 * time.Second)
		slices.Reverse(down)
		if want := append(down[1:], 0); !slices.Equal(m.steps, want) || m.governor.exhausted {
			t.Errorf("%s: back by %v, want %v", name, m.steps, want)
		}
	}
}

func TestEachStepChangesOneThing(t *testing.T) {
	q := everything(ModeStudio)
	want := []quality{
		q,
		{3 * meterEvery, false, 10, true, ModeStudio, 0},
		{3 * meterEvery, false, 5, true, ModeStudio, 0},
		{3 * meterEvery, false, 2, true, ModeStudio, 0},
		{3 * meterEvery, false, 2, false, ModeStudio, 0},
		{3 * meterEvery, false, 2, false, ModeLive, 0},
		{3 * meterEvery, false, 2, false, ModeSafe, 0},
	}
	for step, w := range want {
		if got := q.lower(step); got != w {
			t.Errorf("step %d: %+v, want %+v", step, got, w)
		}
	}
}

func TestAShortBurstChangesNothing(t *testing.T) {
	m := newMachine(everything(ModeLive))
	for range 10 {
		m.load = func(quality) Load { return cpu(110) }
		m.run(lookEvery)
		m.load = func(quality) Load { return cpu(90) }
		m.run(lookEvery)
	}
	if len(m.steps) != 0 {
		t.Errorf("steps %v", m.steps)
	}
	m.load = func(quality) Load { return Load{Dropouts: 50, Late: time.Second, MachinePercent: 100} }
	m.run(lookEvery)
	m.load = func(quality) Load { return cpu(90) }
	m.run(lookEvery)
	if len(m.steps) != 0 {
		t.Errorf("one stumble takes steps %v", m.steps)
	}
	m.load = func(quality) Load { return cpu(150) }
	m.run(lookEvery)
	if !slices.Equal(m.steps, []int{1}) {
		t.Errorf("a load of one and a half is not acted on at once: steps %v", m.steps)
	}
}

func TestALimitIsKept(t *testing.T) {
	m := newMachine(everything(ModeStudio))
	m.load = func(q quality) Load { return cpu(costs(q, 75)) } // 120 as asked, 92 at step 4
	m.run(20 * time.Second)
	if got := m.load(m.asked.lower(m.governor.step)).CPUPercent; got > 100 || m.governor.step == 0 {
		t.Errorf("%v %% of 100 are used at step %d", got, m.governor.step)
	}
	if m.run(10*time.Minute) != 0 {
		t.Errorf("steps %v though the load lies between calm and too high", m.steps)
	}
}

func TestWhatFailsIsTriedLessOften(t *testing.T) {
	m := newMachine(everything(ModeSafe))
	m.load = func(q quality) Load { // calm at step 4, far too high at 3
		if q.noise {
			return cpu(160)
		}
		return cpu(70)
	}
	m.run(time.Minute)
	early := len(m.steps)
	if got := m.run(10 * time.Minute); got > 22 || got < 16 { // down and up each 62 s
		t.Errorf("%d changes in 10 minutes after %d in the first", got, early)
	}
	for _, step := range m.steps[4:] {
		if step != 3 && step != 4 {
			t.Errorf("steps %v", m.steps)
			break
		}
	}
	// the load is gone, whatever failed before
	m.load = func(quality) Load { return cpu(20) }
	start := m.now
	for m.governor.step != 0 && m.now.Sub(start) < time.Minute {
		m.run(lookEvery)
	}
	if took := m.now.Sub(start); took > 30*time.Second {
		t.Errorf("back after %v", took)
	}
}

func TestAllIsBackWithinHalfAMinute(t *testing.T) {
	m := newMachine(everything(ModeStudio))
	m.load = func(quality) Load { return Load{ThrottledPercent: 60, CPUPercent: 30, CPUQuotaPercent: 30} }
	m.run(time.Minute)
	if m.governor.step != stepFramesMore || m.governor.reason != ReasonCPUQuota {
		t.Fatalf("step %d because of %q", m.governor.step, m.governor.reason)
	}
	m.load = func(q quality) Load { return Load{CPUPercent: costs(q, 20), CaptureRatio: 0.2} }
	m.run(30 * time.Second)
	if m.governor.step != 0 {
		t.Errorf("still at step %d", m.governor.step)
	}
}

func TestWhatTheLoadIsJudgedBy(t *testing.T) {
	for _, c := range []struct {
		load   Load
		over   bool
		reason GovernorReason
	}{
		{Load{}, false, ""},
		{Load{CPUPercent: 300}, false, ""}, // of many cores, without a limit
		{Load{CPUPercent: 41, CPULimitPercent: 40}, true, ReasonCPULimit},
		{Load{CPUPercent: 39, CPULimitPercent: 40}, false, ReasonCPULimit},
		{Load{CPUPercent: 28, CPUQuotaPercent: 30}, true, ReasonCPUQuota},
		{Load{ThrottledPercent: 4}, true, ReasonCPUQuota},
		{Load{CaptureRatio: 0.8}, true, ReasonFrameTime},
		{Load{PlayoutRatio: 0.8}, true, ReasonFrameTime},
		{Load{CaptureRatio: 0.3, PlayoutRatio: 0.3}, false, ReasonFrameTime},
		{Load{Dropouts: 3, Late: time.Second}, false, ""}, // doing less would not help
		{Load{Dropouts: 3, MachinePercent: 95}, true, ReasonLateFrames},
		{Load{Late: 12 * time.Millisecond, MachinePercent: 95}, true, ReasonLateFrames},
		{Load{MemoryBytes: 240 << 20, MemoryLimitBytes: 256 << 20}, true, ReasonMemory},
		{Load{MemoryBytes: 100 << 20, MemoryLimitBytes: 256 << 20}, false, ReasonMemory},
	} {
		score, reason := c.load.score()
		if score >= 1 != c.over || reason != c.reason {
			t.Errorf("%+v: %.2f because of %q", c.load, score, reason)
		}
	}
}

func TestTheGovernorSaysWhatItDid(t *testing.T) {
	m := newMachine(everything(ModeLive))
	m.load = func(quality) Load { return cpu(200) }
	m.run(2 * lookEvery)
	if got, want := m.governor.words(m.asked), saidLimit+" "+saidMeters+" "+saidEncoder; got != want {
		t.Errorf("at step 2: %q", got)
	}
	m.run(time.Minute)
	want := strings.Join([]string{saidLimit, saidMeters, saidEncoder, saidNoise, saidFrames, saidRaise}, " ")
	if got := m.governor.words(m.asked); got != want {
		t.Errorf("at the end: %q", got)
	}
	m.load = func(quality) Load { return Load{} }
	m.run(time.Minute)
	if got := m.governor.words(m.asked); got != saidBack {
		t.Errorf("afterwards: %q", got)
	}
	for reason, want := range map[GovernorReason]string{
		ReasonCPUQuota: saidQuota, ReasonFrameTime: saidBusy, ReasonLateFrames: saidBusy, ReasonMemory: saidMemory,
	} {
		g := governor{step: stepMeters, reason: reason}
		if got := g.words(m.asked); got != want+" "+saidMeters {
			t.Errorf("%s: %q", reason, got)
		}
	}
}
