package governor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	groupsAt  = "/sys/fs/cgroup"
	periodUS  = 100_000
	groupName = "gasso-bench-%d"
)

// controlGroup holds back the processes in it (cgroups of version 1 or 2). Only root can make one.
type controlGroup struct {
	second      bool // version 2
	cpu, memory string
}

func newControlGroup() (*controlGroup, error) {
	name := fmt.Sprintf(groupName, os.Getpid())
	g := &controlGroup{cpu: filepath.Join(groupsAt, "cpu", name), memory: filepath.Join(groupsAt, "memory", name)}
	if _, err := os.Stat(filepath.Join(groupsAt, "cgroup.controllers")); err == nil {
		g.second = true
		g.cpu = filepath.Join(groupsAt, name)
		g.memory = g.cpu
		if err := set(groupsAt, "cgroup.subtree_control", "+cpu +memory"); err != nil {
			return nil, fmt.Errorf("turn controllers on: %w", err)
		}
	}
	for _, dir := range g.folders() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("make a control group (root is needed): %w", err), g.remove())
		}
	}
	return g, nil
}

func (g *controlGroup) folders() []string {
	if g.second {
		return []string{g.cpu}
	}
	return []string{g.cpu, g.memory}
}

func (g *controlGroup) add(pid int) error {
	for _, dir := range g.folders() {
		if err := set(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("put the process into a control group: %w", err)
		}
	}
	return nil
}

// limitCPU grants so many percent of one core; 0 all.
func (g *controlGroup) limitCPU(percent int) error {
	quota := strconv.Itoa(percent * periodUS / 100)
	switch {
	case g.second && percent == 0:
		return set(g.cpu, "cpu.max", "max")
	case g.second:
		return set(g.cpu, "cpu.max", fmt.Sprint(quota, " ", periodUS))
	case percent == 0:
		return set(g.cpu, "cpu.cfs_quota_us", "-1")
	}
	return set(g.cpu, "cpu.cfs_quota_us", quota)
}

// limitMemory grants so many bytes; 0 all.
func (g *controlGroup) limitMemory(most int) error {
	name, none := "memory.limit_in_bytes", "-1"
	if g.second {
		name, none = "memory.max", "max"
	}
	if most == 0 {
		return set(g.memory, name, none)
	}
	return set(g.memory, name, strconv.Itoa(most))
}

// remove takes the group away; its processes have ended.
func (g *controlGroup) remove() error {
	var failed []error
	for _, dir := range g.folders() {
		err := os.Remove(dir)
		for try := 0; try < 50 && errors.Is(err, syscall.EBUSY); try++ { // a process that ends leaves it a little later
			time.Sleep(100 * time.Millisecond)
			err = os.Remove(dir)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func set(dir, name, value string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(value), 0o644)
}
