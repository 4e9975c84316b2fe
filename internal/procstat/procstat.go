// Package procstat tells what this process uses of the machine.
package procstat

import (
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"
)

// Sampler measures one process between calls. It belongs to one goroutine.
type Sampler struct {
	process   *process.Process // nil where the system does not tell
	groups    *controlGroups
	spent     float64 // CPU seconds at the last call
	machine   cpu.TimesStat
	throttled time.Duration
	at        time.Time
}

// Usage is what the process used since the last call.
type Usage struct {
	CPUPercent       float64 // of one core
	MachinePercent   float64 // of all cores, by everybody
	ThrottledPercent float64 // of the time in which a control group of the process had used up its quota
	MemoryBytes      int64   // resident
	Limits
}

// Limits are what the system grants a process; 0 is no limit.
type Limits struct {
	CPUQuotaPercent  float64 // of one core
	MemoryLimitBytes int64
}

// NewSampler starts to measure this process.
func NewSampler(now time.Time) *Sampler {
	return NewSamplerOf(int32(os.Getpid()), now)
}

// NewSamplerOf starts to measure another process of this machine.
func NewSamplerOf(pid int32, now time.Time) *Sampler {
	s := &Sampler{at: now, groups: newControlGroups("", pid), machine: machineTimes()}
	_, s.throttled = s.groups.read()
	if p, err := process.NewProcess(pid); err == nil {
		s.process = p
		s.spent = cpuSeconds(p)
	}
	return s
}

// Sample returns the usage since the last call; zeros where the system does not tell.
func (s *Sampler) Sample(now time.Time) (u Usage) {
	if s.process == nil {
		return u
	}
	if m, err := s.process.MemoryInfo(); err == nil {
		u.MemoryBytes = int64(m.RSS)
	}
	spent, machine := cpuSeconds(s.process), machineTimes()
	var throttled time.Duration
	u.Limits, throttled = s.groups.read()
	if span := now.Sub(s.at); span > 0 {
		u.CPUPercent = 100 * (spent - s.spent) / span.Seconds()
		u.ThrottledPercent = min(100, 100*max(0, (throttled-s.throttled).Seconds())/span.Seconds())
	}
	u.MachinePercent = busyPercent(s.machine, machine)
	s.spent, s.machine, s.throttled, s.at = spent, machine, throttled, now
	return u
}

// machineTimes are the seconds that all cores spent on what; zeros where the system does not tell.
func machineTimes() cpu.TimesStat {
	times, err := cpu.Times(false)
	if err != nil || len(times) == 0 {
		return cpu.TimesStat{}
	}
	return times[0]
}

func busyPercent(before, now cpu.TimesStat) float64 {
	busy := func(t cpu.TimesStat) float64 { return t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal }
	idle := func(t cpu.TimesStat) float64 { return t.Idle + t.Iowait }
	worked, rested := busy(now)-busy(before), idle(now)-idle(before)
	if worked <= 0 || worked+rested <= 0 {
		return 0
	}
	return 100 * worked / (worked + rested)
}

func cpuSeconds(p *process.Process) float64 {
	t, err := p.Times()
	if err != nil {
		return 0
	}
	return t.User + t.System
}
