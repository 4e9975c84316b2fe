package procstat

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tree writes files below a folder of its own.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLimitsOfControlGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files     map[string]string
		limits    Limits
		throttled time.Duration
	}{
		"version 2, the tightest above counts": {map[string]string{
			"proc/7/mountinfo":                     "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
			"proc/7/cgroup":                        "0::/a/b\n",
			"sys/fs/cgroup/cpu.stat":               "usage_usec 5\n",
			"sys/fs/cgroup/a/cpu.max":              "150000 100000\n",
			"sys/fs/cgroup/a/cpu.stat":             "usage_usec 9\nthrottled_usec 2000\n",
			"sys/fs/cgroup/a/memory.max":           "max\n",
			"sys/fs/cgroup/a/b/cpu.max":            "max 100000\n",
			"sys/fs/cgroup/a/b/memory.max":         "268435456\n",
			"sys/fs/cgroup/a/b/cpu.stat":           "nr_throttled 1\nthrottled_usec 500\n",
			"sys/fs/cgroup/elsewhere/memory.max":   "1\n",
			"sys/fs/cgroup/a/b/c/memory.max":       "2\n",
			"sys/fs/cgroup/a/memory.limit_ignored": "3\n",
		}, Limits{150, 256 << 20}, 2500 * time.Microsecond},
		"version 1, seen from a container": {map[string]string{
			"proc/7/mountinfo": "32 31 0:29 /box /c/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"35 31 0:32 / /c/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /c/unified rw - cgroup2 cgroup2 rw\nbroken\n",
			"proc/7/cgroup":                      "4:memory:/m\n1:cpu,cpuacct:/box/x\n0::/\nbroken\n",
			"c/cpu/cpu.cfs_quota_us":             "-1\n",
			"c/cpu/cpu.cfs_period_us":            "100000\n",
			"c/cpu/x/cpu.cfs_quota_us":           "30000\n",
			"c/cpu/x/cpu.cfs_period_us":          "100000\n",
			"c/cpu/x/cpu.stat":                   "nr_periods 4\nthrottled_time 7000000\n",
			"c/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"c/memory/m/memory.limit_in_bytes":   "1048576\n",
			"c/memory/box/memory.limit_in_bytes": "5\n",
			"c/unified/cpu.stat":                 "usage_usec 1\n",
		}, Limits{30, 1 << 20}, 7 * time.Millisecond},
		"no limits": {map[string]string{
			"proc/7/mountinfo": "41 31 0:38 / /g rw - cgroup2 cgroup2 rw\n", "proc/7/cgroup": "0::/../other\n",
			"g/memory.max": "many\n",
		}, Limits{}, 0},
		"another system": {nil, Limits{}, 0},
	} {
		limits, throttled := newControlGroups(tree(t, c.files), 7).read()
		if limits != c.limits || throttled != c.throttled {
			t.Errorf("%s: %+v, held back for %v; want %+v, %v", name, limits, throttled, c.limits, c.throttled)
		}
	}
}

func TestSamplerMeasuresThisProcess(t *testing.T) {
	start := time.Now()
	s := NewSampler(start)
	for sum := 0; time.Since(start) < 100*time.Millisecond; sum++ {
	}
	u := s.Sample(time.Now())
	if u.MemoryBytes < 1<<20 || u.CPUPercent <= 0 || u.MachinePercent <= 0 || u.MachinePercent > 100 || u.ThrottledPercent < 0 {
		t.Errorf("after 100 ms of work: %+v", u)
	}
}
