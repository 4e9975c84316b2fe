// Package table prints the Markdown tables of the benchmarks: a row for each case, the last three
// columns goal, measured and ok.
package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
)

// BusyPercent of the machine in use is the most at which a figure that depends on its speed counts.
const BusyPercent = 85.0

// Table is one table; its heading is printed with the first row. One goroutine uses it.
type Table struct {
	w       io.Writer
	title   string
	columns []string
	begun   bool
	aside   bool // without a heading
	err     error
}

// New returns a table under a title with these columns in front of goal, measured and ok.
func New(w io.Writer, title string, columns ...string) *Table {
	return &Table{w: w, title: title, columns: columns}
}

// Row prints what was measured beside its goal, a cell for each column.
func (t *Table) Row(cells []string, goal, measured string, ok bool) {
	said := "short"
	if ok {
		said = "ok"
	}
	t.print(cells, goal, measured, said)
}

// Shown prints a figure that has no goal of its own, for comparison.
func (t *Table) Shown(cells []string, measured string) { t.print(cells, "", measured, "") }

// NotMeasured prints a row without a result, and why.
func (t *Table) NotMeasured(cells []string, goal, why string) {
	t.print(cells, goal, "", "not measured: "+why)
}

// Aside returns a table with the same columns whose rows wait for Take: of what is measured at the same time.
func (t *Table) Aside() *Table {
	return &Table{w: &bytes.Buffer{}, title: t.title, columns: t.columns, aside: true}
}

// Take prints the rows of a table that Aside made.
func (t *Table) Take(aside *Table) {
	if rows, ok := aside.w.(*bytes.Buffer); ok && rows.Len() > 0 {
		t.begin()
		t.write(rows.String())
		rows.Reset()
	}
}

// Err returns the first error of writing.
func (t *Table) Err() error { return t.err }

func (t *Table) begin() {
	if t.begun || t.aside {
		return
	}
	t.begun = true
	t.write("\n## " + t.title + "\n\n")
	all := append(append([]string{}, t.columns...), "goal", "measured", "ok")
	t.line(all)
	t.write("|" + strings.Repeat("---|", len(all)) + "\n")
}

func (t *Table) print(cells []string, last ...string) {
	t.begin()
	row := make([]string, len(t.columns), len(t.columns)+len(last))
	copy(row, cells)
	t.line(append(row, last...))
}

func (t *Table) line(cells []string) {
	for _, c := range cells {
		t.write("| " + strings.NewReplacer("|", "/", "\n", " ").Replace(c) + " ")
	}
	t.write("|\n")
}

func (t *Table) write(s string) {
	if t.err == nil {
		if _, err := io.WriteString(t.w, s); err != nil {
			t.err = fmt.Errorf("write the table %q: %w", t.title, err)
		}
	}
}

// Busy returns how many percent of the machine are in use during the next span, 0 where the system
// does not tell. Start it beside a measurement.
func Busy(span time.Duration) float64 {
	p, err := cpu.Percent(span, false)
	if err != nil || len(p) == 0 {
		return 0
	}
	return p[0]
}

// Watch starts to look how much of the machine is in use; what it returns tells the percent since then,
// 0 where the system does not tell.
func Watch() func() float64 {
	before, err := cpu.Times(false)
	return func() float64 {
		after, err2 := cpu.Times(false)
		if err != nil || err2 != nil || len(before) == 0 || len(after) == 0 {
			return 0
		}
		a, b := before[0], after[0]
		idle := b.Idle + b.Iowait - a.Idle - a.Iowait
		all := idle + b.User + b.System + b.Nice + b.Irq + b.Softirq + b.Steal - a.User - a.System - a.Nice - a.Irq - a.Softirq - a.Steal
		if all <= 0 {
			return 0
		}
		return 100 * (1 - idle/all)
	}
}
