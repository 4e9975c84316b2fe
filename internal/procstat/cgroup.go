package procstat

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// controlGroups finds the control groups of a process below root, of both versions (Linux kernel,
// Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). Other systems have none.
type controlGroups struct {
	root   string // of all paths; empty outside tests
	pid    int32
	mounts []groupMount
}

// groupMount is where groups of a hierarchy can be read.
type groupMount struct {
	controller string // cpu or memory; empty for version 2, which has both
	root, dir  string // the group that is mounted, and where
}

const noLimitBytes = 1 << 60 // version 1 says no limit with a number near the largest

func newControlGroups(root string, pid int32) *controlGroups {
	g := &controlGroups{root: root, pid: pid}
	mounts, err := os.ReadFile(g.proc("mountinfo"))
	if err != nil {
		return g
	}
	for line := range strings.Lines(string(mounts)) {
		g.addMount(line)
	}
	return g
}

// addMount takes a line of proc_pid_mountinfo(5).
func (g *controlGroups) addMount(line string) {
	what, how, ok := strings.Cut(line, " - ")
	fields, options := strings.Fields(what), strings.Fields(how)
	if !ok || len(fields) < 5 || len(options) < 3 {
		return
	}
	switch options[0] {
	case "cgroup2":
		g.mounts = append(g.mounts, groupMount{"", fields[3], fields[4]})
	case "cgroup":
		for _, controller := range strings.Split(options[2], ",") {
			if controller == "cpu" || controller == "memory" {
				g.mounts = append(g.mounts, groupMount{controller, fields[3], fields[4]})
			}
		}
	}
}

func (g *controlGroups) proc(name string) string {
	return filepath.Join(g.root, "/proc", strconv.Itoa(int(g.pid)), name)
}

// read is the tightest limits that hold for the process now, and how long it was held back so far.
func (g *controlGroups) read() (limits Limits, throttled time.Duration) {
	if len(g.mounts) == 0 {
		return limits, 0
	}
	groups, err := os.ReadFile(g.proc("cgroup"))
	if err != nil {
		return limits, 0
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		for _, m := range g.mounts {
			if !within(fields[1], m.controller) {
				continue
			}
			for _, dir := range m.folders(fields[2]) {
				limits.tighten(readLimits(filepath.Join(g.root, dir)))
				throttled += readThrottled(filepath.Join(g.root, dir))
			}
		}
	}
	return limits, throttled
}

// within tells whether a hierarchy's list of controllers, which is empty in version 2, has this one.
func within(controllers, controller string) bool {
	for _, c := range strings.Split(controllers, ",") {
		if c == controller {
			return true
		}
	}
	return false
}

// folders are those of a group and of all above it.
func (m groupMount) folders(group string) []string {
	below, ok := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
	if !ok {
		below = "" // seen from another namespace
	}
	dirs := []string{m.dir}
	for _, name := range strings.Split(strings.Trim(below, "/"), "/") {
		if name != "" && name != ".." {
			dirs = append(dirs, filepath.Join(dirs[len(dirs)-1], name))
		}
	}
	return dirs
}

func (l *Limits) tighten(other Limits) {
	if o := other.CPUQuotaPercent; o > 0 && (l.CPUQuotaPercent == 0 || o < l.CPUQuotaPercent) {
		l.CPUQuotaPercent = o
	}
	if o := other.MemoryLimitBytes; o > 0 && (l.MemoryLimitBytes == 0 || o < l.MemoryLimitBytes) {
		l.MemoryLimitBytes = o
	}
}

// readLimits reads those of one group.
func readLimits(dir string) (l Limits) {
	var quota, period int64
	if text, err := os.ReadFile(filepath.Join(dir, "cpu.max")); err == nil {
		_, _ = fmt.Sscan(string(text), &quota, &period) // "max" leaves zeros
	} else {
		quota, period = readNumber(dir, "cpu.cfs_quota_us"), readNumber(dir, "cpu.cfs_period_us")
	}
	if quota > 0 && period > 0 {
		l.CPUQuotaPercent = 100 * float64(quota) / float64(period)
	}
	for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
		if n := readNumber(dir, name); n > 0 && n < noLimitBytes {
			l.MemoryLimitBytes = n
		}
	}
	return l
}

// readThrottled is how long one group was held back.
func readThrottled(dir string) time.Duration {
	stat, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(stat) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
		case name == "throttled_usec": // version 2
			return time.Duration(n) * time.Microsecond
		case name == "throttled_time": // version 1
			return time.Duration(n)
		}
	}
	return 0
}

// readNumber is 0 for what is no number.
func readNumber(dir, name string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
