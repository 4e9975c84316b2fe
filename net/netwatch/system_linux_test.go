package netwatch

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const insideVariable = "GASSO_NETWATCH_INSIDE"

// inNamespace runs the test of the same name again in a network namespace of its own, and reports
// whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("not measured: no network namespace: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("in the namespace: %v\n%s", err, out.String())
	}
	t.Log(out.String())
	return false
}

func ip(t *testing.T, words string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", words, err, out)
	}
}

// next waits for a change of a kind and returns how long after a moment it was noticed.
func next(t *testing.T, changes <-chan Change, kind Kind, since time.Time) time.Duration {
	t.Helper()
	patience := time.After(10 * time.Second)
	for {
		select {
		case c := <-changes:
			if c.Kind == kind {
				return c.At.Sub(since)
			}
		case <-patience:
			t.Fatalf("no change of %s was told", kind)
		}
	}
}

func quiet(t *testing.T, changes <-chan Change, within time.Duration) {
	t.Helper()
	for patience := time.After(within); ; {
		select {
		case <-changes: // the rest of the burst
		case <-patience:
			return
		}
	}
}

// TestARealNetworkIsWatched changes addresses and routes by netlink and by polling alone.
func TestARealNetworkIsWatched(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal("iproute2 is missing; run make setup")
	}
	if !inNamespace(t) {
		return
	}
	ip(t, "link set lo up")
	ip(t, "link add v0 type veth peer name v1")
	ip(t, "link set v0 up")
	ip(t, "link set v1 up")
	t.Run("netlink", func(t *testing.T) { changeNetwork(t, Watch(t.Context()), 500*time.Millisecond) })
	t.Run("polling", func(t *testing.T) {
		changeNetwork(t, watch(t.Context(), look, nil, func() {}, 100*time.Millisecond), time.Second)
	})
}

func changeNetwork(t *testing.T, changes <-chan Change, most time.Duration) {
	quiet(t, changes, 300*time.Millisecond)
	steps := []struct {
		what, command string
		want          Kind
	}{
		{"an address comes", "addr add 10.77.0.5/24 dev v0", Addresses},
		{"a route comes", "route add default via 10.77.0.1", Routes},
		{"a VPN goes up", "rule add from all lookup 77", ""},
		{"its route comes", "route add default dev v1 table 77", Routes},
		{"its route goes", "route del default dev v1 table 77", Routes},
		{"the gateway changes", "route replace default via 10.77.0.2", Routes},
		{"an IPv6 address comes", "-6 addr add fd77::5/64 dev v0 nodad", Addresses},
		{"the address goes, and its route with it", "addr del 10.77.0.5/24 dev v0", Addresses},
		{"the IPv6 address goes", "-6 addr del fd77::5/64 dev v0", Addresses},
		{"the rule goes", "rule del from all lookup 77", ""},
	}
	for _, step := range steps {
		began := time.Now()
		ip(t, step.command)
		if step.want == "" {
			continue
		}
		took := next(t, changes, step.want, began)
		t.Logf("%s: noticed after %v", step.what, took)
		if took > most {
			t.Errorf("%s: noticed only after %v", step.what, took)
		}
		quiet(t, changes, 200*time.Millisecond)
	}
}

func TestSleepIsNoTimeOfDay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	first, second := asleep(), asleep()
	if d := second - first; d < -time.Millisecond || d > time.Millisecond || first < -time.Millisecond {
		t.Errorf("asleep for %v, then for %v, without sleep between", first, second)
	}
	changes := watch(ctx, func() view { return view{asleep: asleep()} }, nil, func() {}, time.Millisecond)
	select {
	case c := <-changes:
		t.Errorf("told of %v without any sleep", c.Kind)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	for range changes {
	}
}
