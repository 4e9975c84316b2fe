package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gasso/internal/bench/table"
)

// report is where rows go.
type report struct {
	table *table.Table
	long  bool                    // LONG=1
	last  []func(io.Writer) error // tables of their own, to be printed in the end
}

// together measures what mostly waits at the same time and prints it in this order.
func (r *report) together(all ...func(*report) error) error {
	parts, failed := make([]*report, len(all)), make([]error, len(all))
	var running sync.WaitGroup
	for i, rows := range all {
		parts[i] = &report{table: r.table.Aside(), long: r.long}
		running.Go(func() { failed[i] = rows(parts[i]) })
	}
	running.Wait()
	for _, p := range parts {
		r.table.Take(p.table)
		r.last = append(r.last, p.last...)
	}
	return errors.Join(failed...)
}

// figure is one figure of a scenario beside its goal.
type figure struct {
	name     string
	goal     string
	measured string
	ok       bool
}

// print prints the rows of a scenario. Where they depend on the machine's speed, busy is the percent
// of it that was in use meanwhile, else 0.
func (r *report) print(scenario string, busy float64, figures ...figure) {
	for _, f := range figures {
		cells := []string{scenario, f.name}
		if busy > table.BusyPercent && !f.ok {
			r.table.NotMeasured(cells, f.goal, fmt.Sprintf("machine %.0f %% busy; it was %s", busy, f.measured))
			continue
		}
		r.table.Row(cells, f.goal, f.measured, f.ok)
	}
}

// failed prints rows for what could not even begin.
func (r *report) failed(scenario, name, goal string, err error) {
	r.table.Row([]string{scenario, name}, goal, err.Error(), false)
}

// atMost is a span beside the longest that is good; negative ones were never reached.
func atMost(name string, longest, took time.Duration) figure {
	f := figure{name: name, goal: fmt.Sprintf("<= %v", longest), measured: fmt.Sprintf("%.2f s", took.Seconds()), ok: took <= longest}
	if took < 0 {
		f.measured, f.ok = "never", false
	}
	return f
}

// yes is something that must be so; otherwise says how it was.
func yes(name string, ok bool, otherwise string) figure {
	f := figure{name: name, goal: "yes", measured: "yes", ok: ok}
	if !ok {
		f.measured = otherwise
	}
	return f
}

// percent is a share beside the greatest that is good.
func percent(name string, most, share float64) figure {
	return figure{name, fmt.Sprintf("<= %g %%", most*100), fmt.Sprintf("%.2f %%", share*100), share <= most}
}
