package governor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// watched is a performer's program that writes what it does.
type watched struct {
	path  string
	pid   int
	ended bool
}

// line is what matters here of a line of --stats.
type line struct {
	At        time.Time `json:"at"`
	Step      int       `json:"governor_step"`
	CPU       float64   `json:"cpu_percent"`
	Machine   float64   `json:"machine_cpu_percent"`
	Throttled float64   `json:"throttled_percent"`
	Memory    int64     `json:"memory_bytes"`
	Underruns int64     `json:"underruns"`
	Overruns  int64     `json:"overrun_samples"`
}

// lines are those of a while, oldest first.
type lines []line

// during waits and returns what was written meanwhile.
func (p *watched) during(d time.Duration) (lines, error) {
	start := time.Now()
	time.Sleep(d)
	return p.since(start)
}

// untilNothingIsLowered waits for step 0, as long as there is patience, and returns the newest line.
func (p *watched) untilNothingIsLowered(patience time.Duration) (line, error) {
	for start := time.Now(); ; {
		in, err := p.during(2 * time.Second)
		if err != nil {
			return line{}, err
		}
		if last := in[len(in)-1]; last.Step == 0 || time.Since(start) > patience {
			return last, nil
		}
	}
}

// since returns what was written after a moment.
func (p *watched) since(start time.Time) (lines, error) {
	text, err := os.ReadFile(p.path)
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	var all lines
	for text := range bytes.Lines(text) {
		var l line
		if json.Unmarshal(text, &l) != nil { // half written
			break
		}
		if l.At.After(start) {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the performer wrote no statistics; it ended or hangs")
	}
	return all, nil
}

// runs tells whether the process is there and no zombie.
func (p *watched) runs() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

func (p *watched) state() string {
	if p.runs() {
		return "runs"
	}
	return "ended"
}

// end ends the process and waits until it is gone.
func (p *watched) end() error {
	if p.ended {
		return nil
	}
	p.ended = true
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the performer: %w", err)
	}
	for range 100 {
		if !p.runs() {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the performer does not end")
}

// last is the end of them.
func (l lines) last(d time.Duration) lines {
	from := l[len(l)-1].At.Add(-d)
	for i := range l {
		if l[i].At.After(from) {
			return l[i:]
		}
	}
	return l
}

func (l lines) mean(of func(*line) float64) float64 {
	sum := 0.0
	for i := range l {
		sum += of(&l[i])
	}
	return sum / float64(len(l))
}

func (l lines) cpu() float64       { return l.mean(func(x *line) float64 { return x.CPU }) }
func (l lines) machine() float64   { return l.mean(func(x *line) float64 { return x.Machine }) }
func (l lines) throttled() float64 { return l.mean(func(x *line) float64 { return x.Throttled }) }

func (l lines) memory() (most int64) {
	for i := range l {
		most = max(most, l[i].Memory)
	}
	return most
}

func (l lines) dropouts() int64 {
	first, last := &l[0], &l[len(l)-1]
	return last.Underruns - first.Underruns + last.Overruns - first.Overruns
}

// steps are the governor's, each as often as it was entered.
func (l lines) steps() []int {
	var steps []int
	for i := range l {
		if i == 0 || l[i].Step != l[i-1].Step {
			steps = append(steps, l[i].Step)
		}
	}
	return steps
}

// inOrder tells whether quality was lowered at all, and never by more than one step from line to line.
func inOrder(steps []int) bool {
	most := 0
	for i, step := range steps {
		most = max(most, step)
		if i > 0 && step-steps[i-1] > 1 {
			return false
		}
	}
	return most > 0
}

// backAfter is how long it took from a moment on until nothing was lowered for good.
func (l lines) backAfter(from time.Time) (took time.Duration, back bool) {
	for i := range l {
		switch {
		case l[i].Step != 0:
			back = false
		case !back:
			back, took = true, l[i].At.Sub(from)
		}
	}
	return took, back
}
