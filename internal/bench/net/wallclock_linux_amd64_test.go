package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

const clockChild = "GASSO_TEST_CLOCK"

// TestMain lets the test binary be the process whose clock is moved: it answers each line with both
// of its clocks.
func TestMain(m *testing.M) {
	if os.Getenv(clockChild) == "" {
		os.Exit(m.Run())
	}
	begun := time.Now()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		now := time.Now()
		_, _ = os.Stdout.WriteString(now.Round(0).UTC().Format(time.RFC3339Nano) + "\n" + now.Sub(begun).String() + "\n")
	}
}

func TestWallClockMovesForOneProcessOnly(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), clockChild+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = c.Wait() }()
	lines := bufio.NewScanner(out)
	ask := func() (wall time.Time, passed time.Duration) {
		if _, err := in.Write([]byte("\n")); err != nil || !lines.Scan() {
			t.Fatal("the process does not answer", err)
		}
		wall, _ = time.Parse(time.RFC3339Nano, lines.Text())
		lines.Scan()
		passed, _ = time.ParseDuration(lines.Text())
		return wall, passed
	}
	ask()
	clock, err := newMovedClock(c.Process.Pid)
	if errors.Is(err, errNoShift) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := time.Duration(0)
	for _, shift := range []time.Duration{0, time.Hour, -time.Hour, 0} {
		if err := clock.set(shift); err != nil {
			t.Fatal(err)
		}
		wall, passed := ask()
		if off := time.Until(wall) - shift; off.Abs() > 10*time.Second {
			t.Errorf("moved by %v the clock is %v wrong", shift, off)
		}
		if passed < before || passed > before+10*time.Second {
			t.Errorf("moved by %v the monotonic clock went from %v to %v", shift, before, passed)
		}
		before = passed
	}
}
