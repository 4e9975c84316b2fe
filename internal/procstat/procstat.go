// Package procstat tells what this process uses of the machine.
package procstat

import (
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Sampler measures one process between calls. It belongs to one goroutine.
type Sampler struct {
	process *process.Process // nil where the system does not tell
	cpu     float64          // seconds at the last call
	at      time.Time
}

// Usage is what the process used since the last call.
type Usage struct {
	CPUPercent  float64 // of one core
	MemoryBytes int64   // resident
}

// NewSampler starts to measure this process.
func NewSampler(now time.Time) *Sampler {
	return NewSamplerOf(int32(os.Getpid()), now)
}

// NewSamplerOf starts to measure another process of this machine.
func NewSamplerOf(pid int32, now time.Time) *Sampler {
	s := &Sampler{at: now}
	if p, err := process.NewProcess(pid); err == nil {
		s.process = p
		s.cpu = cpuSeconds(p)
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
	cpu := cpuSeconds(s.process)
	if span := now.Sub(s.at).Seconds(); span > 0 {
		u.CPUPercent = 100 * (cpu - s.cpu) / span
	}
	s.cpu, s.at = cpu, now
	return u
}

func cpuSeconds(p *process.Process) float64 {
	t, err := p.Times()
	if err != nil {
		return 0
	}
	return t.User + t.System
}
