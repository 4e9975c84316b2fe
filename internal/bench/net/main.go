// Command net measures the connection and prints a Markdown table: a row for each case, with the
// goal, what was measured and whether that is enough. The programs are the built ones, the networks
// are worlds of namespaces. Its exit status says only whether it could run.
//
//	go run ./internal/bench/net [-only blackout,kill,...]
//
// LONG=1 in the environment adds what takes long.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gasso/internal/bench/table"
	"gasso/internal/netsim/netns"
	"gasso/net/signaling"
)

// scenario is some rows that belong together.
type scenario struct {
	name string
	rows func(*report) error
	with string // the scenario that is measured at the same time, since both mostly wait; the next one
}

// scenarios are all, in the order in which they are printed.
var scenarios = []scenario{
	{"connect", connectRows, ""},
	{"path", pathRows, ""},
	{"blackout", blackoutRows, ""},
	{"cable", cableRows, ""},
	{"program", programRows, ""},
	{"address", addressRows, ""},
	{"signaling", signalingRows, ""},
	{"kill", killRows, ""},
	{"drain", drainRows, ""},
	{"crash", crashRows, ""},
	{"uplink", uplinkRows, ""},
	{"receiver", receiverRows, ""},
	{"eight", eightRows, ""},
	{"wallclock", wallClockRows, ""},
	{"flood", floodRows, ""},
	{"idle", idleRows, "clock"},
	{"clock", clockRows, ""},
}

func main() {
	netns.Enter()
	only := flag.String("only", "", "measure only these, separated by commas: "+strings.Join(names(), ","))
	topology := flag.String("light", "", "be light performers of this topology (the scenarios themselves do this)")
	base := flag.String("server", "", "with -light: the server")
	ca := flag.String("ca", "", "with -light: certificates that the server is trusted by")
	senders := flag.Int("senders", 1, "with -light: how many")
	flag.Parse()
	if *topology != "" {
		if err := runLight(*base, *ca, signaling.Topology(*topology), *senders); err != nil {
			fmt.Fprintln(os.Stderr, "light performers:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(os.Stdout, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench-net:", err)
		os.Exit(1)
	}
}

// run prints the rows asked for, all when only is empty. A scenario that cannot run does not keep the
// others from running.
func run(w io.Writer, only string) error {
	wanted := names()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no scenario %q; choose from %s", name, strings.Join(names(), ","))
		}
	}
	r := &report{table: table.New(w, "the connection", "scenario", "figure"), long: os.Getenv("LONG") != ""}
	var failed []error
	var waiting []func(*report) error
	for _, s := range scenarios {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		waiting = append(waiting, s.measure)
		if s.with == "" || !slices.Contains(wanted, s.with) {
			failed = append(failed, r.together(waiting...))
			waiting = nil
		}
	}
	for _, print := range r.last {
		failed = append(failed, print(w))
	}
	return errors.Join(append(failed, r.table.Err())...)
}

// measure prints the rows of a scenario, or why there are none.
func (s scenario) measure(r *report) error {
	err := s.rows(r)
	switch {
	case errors.Is(err, netns.ErrRefused):
		r.table.NotMeasured([]string{s.name, "all"}, "", err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func names() []string {
	all := make([]string, 0, len(scenarios))
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return all
}
