// Command room measures the built programs as their users run them and prints Markdown tables: a
// row for each case, with the goal, what was measured and whether that is enough. Its exit status
// says only whether it could run.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"gasso/internal/bench/programs"
	"gasso/internal/bench/table"
	"gasso/internal/procstat"
)

const (
	warmUp     = 5 * time.Second
	measured   = 20 * time.Second
	performers = 4
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-room:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	figures := table.New(out, fmt.Sprintf("a room of %d on one machine for %v; CPU in %% of one core", performers, measured), "case", "figure")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"live, no processing", nil},
		{"live, echo, noise and gain on", []string{"--aec", "voice", "--ns", "on", "--agc", "on"}},
		{"studio, no processing", []string{"--mode", "studio"}},
	} {
		if err := room(figures, c.name, c.args); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return figures.Err()
}

// room runs a server and its performers and prints what they use.
func room(figures *table.Table, name string, args []string) error {
	var running programs.Group
	defer running.End()
	base, server, err := running.Server()
	if err != nil {
		return err
	}
	pids := []int{server}
	for i := range performers {
		all := append([]string{"headless", "--server", base, "--room", "demo", "--name", fmt.Sprint("P", i), "--input", fmt.Sprintf("tone:%d", 440+110*i)}, args...)
		pid, err := running.Start(io.Discard, "gasso", all...)
		if err != nil {
			return err
		}
		pids = append(pids, pid)
	}
	time.Sleep(warmUp)
	samplers := make([]*procstat.Sampler, len(pids))
	for i, pid := range pids {
		samplers[i] = procstat.NewSamplerOf(int32(pid), time.Now())
	}
	busy := table.Busy(measured)
	usage := make([]procstat.Usage, len(pids))
	for i, s := range samplers {
		usage[i] = s.Sample(time.Now())
	}
	report(figures, name, busy, usage)
	return nil
}

// report prints the rows of one room: the server and the heaviest performer.
func report(figures *table.Table, name string, busy float64, usage []procstat.Usage) {
	heaviest := procstat.Usage{}
	for _, u := range usage[1:] {
		heaviest.CPUPercent = max(heaviest.CPUPercent, u.CPUPercent)
		heaviest.MemoryBytes = max(heaviest.MemoryBytes, u.MemoryBytes)
	}
	for _, row := range []struct {
		figure     string
		goal, got  float64
		unit       string
		ofMachines bool
	}{
		{"performer CPU", 20, heaviest.CPUPercent, "%", true},
		{"performer memory", 128, float64(heaviest.MemoryBytes) / (1 << 20), "MiB", false},
		{"server CPU", 30, usage[0].CPUPercent, "%", true},
		{"server memory", 192, float64(usage[0].MemoryBytes) / (1 << 20), "MiB", false},
	} {
		cells, goal := []string{name, row.figure}, fmt.Sprintf("<= %.0f %s", row.goal, row.unit)
		if row.ofMachines && busy > table.BusyPercent {
			figures.NotMeasured(cells, goal, fmt.Sprintf("machine %.0f %% busy", busy))
			continue
		}
		figures.Row(cells, goal, fmt.Sprintf("%.1f %s", row.got, row.unit), row.got <= row.goal)
	}
}
