// Command sound measures the sound engine and prints Markdown tables: a row for each case, with the
// goal, what was measured and whether that is enough. Its exit status says only whether it could run.
//
//	go run ./internal/bench/sound [-only jitter,step,...]
//
// LONG=1 in the environment lengthens what is measured.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gasso/internal/bench/engine"
	"gasso/internal/bench/governor"
	"gasso/internal/bench/jitter"
	"gasso/internal/bench/voice"
)

// measurement is one table, or a few that belong together.
type measurement struct {
	name   string
	tables func(io.Writer) error
}

// measurements are all tables in the order in which they are printed.
var measurements = []measurement{
	{"jitter", jitter.Jitter},
	{"step", jitter.Step},
	{"purity", voice.Purity},
	{"engine", engine.Latency},
	{"pulse", engine.Pulse},
	{"voice", voice.Tables},
	{"cost", engine.Cost},
	{"governor", governor.Tables},
	{"soak", engine.Soak},
}

func main() {
	only := flag.String("only", "", "measure only these tables, separated by commas: "+strings.Join(names(), ","))
	flag.Parse()
	if err := run(os.Stdout, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench-sound:", err)
		os.Exit(1)
	}
}

// run prints the tables asked for, all when only is empty. A table that cannot run does not keep
// the others from running.
func run(w io.Writer, only string) error {
	wanted := names()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no table %q; choose from %s", name, strings.Join(names(), ","))
		}
	}
	var failed []error
	for _, m := range measurements {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		if err := m.tables(w); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	return errors.Join(failed...)
}

func names() []string {
	all := make([]string, 0, len(measurements))
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}
