// Package governor measures how a performer's program gets along with less of the machine than it
// wants: the built programs run in a control group whose limits come and go.
package governor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"gasso/audio/wav"
	"gasso/internal/bench/programs"
	"gasso/internal/bench/table"
	"gasso/internal/material"
)

const (
	senders      = 3
	quotaPercent = 30
	enough       = 0.85 // of a quota: who uses less has nothing to lower
	memoryMost   = 256 << 20
	littleMore   = 20 // 1 / 20 more than is used is little memory
	backWithin   = 30 * time.Second

	settling = 8 * time.Second
	patience = 30 * time.Second // for a start without anything lowered
	held     = 25 * time.Second // with a limit
	freed    = 35 * time.Second // without it
	tight    = 10 * time.Second // with a limit that is far
	kept     = 30 * time.Second // with a limit of one's own
	judged   = 10 * time.Second // the end of it
)

// Tables prints the table "governor".
func Tables(w io.Writer) error {
	t := table.New(w, fmt.Sprintf("governor: voice chain on, %d others in the room", senders), "case", "figure")
	var running programs.Group
	defer running.End()
	base, err := room(&running)
	if err != nil {
		return err
	}
	speech, err := speech(&running)
	if err != nil {
		return err
	}
	free, err := granted(t, &running, base, speech)
	if err != nil {
		return err
	}
	if err := ownLimit(t, &running, base, speech, free); err != nil {
		return err
	}
	return t.Err()
}

// room starts a server and the others.
func room(running *programs.Group) (base string, err error) {
	base, _, err = running.Server()
	if err != nil {
		return "", err
	}
	for i := range senders {
		args := []string{"headless", "--server", base, "--room", "demo", "--name", fmt.Sprint("P", i), "--input", fmt.Sprintf("tone:%d", 440+110*i)}
		if _, err := running.Start(io.Discard, "gasso", args...); err != nil {
			return "", err
		}
	}
	return base, nil
}

// speech writes two voices' talk to a file.
func speech(running *programs.Group) (path string, err error) {
	dir, err := running.Folder()
	if err != nil {
		return "", err
	}
	pcm, err := material.Speech(context.Background())
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "speech.wav")
	file, err := wav.Create(path, 48000, 2)
	if err != nil {
		return "", fmt.Errorf("write speech: %w", err)
	}
	err = file.Write(pcm)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write speech: %w", err)
	}
	return path, nil
}

// performer starts the one that is watched.
func performer(running *programs.Group, base, speech string, more ...string) (*watched, error) {
	dir, err := running.Folder()
	if err != nil {
		return nil, err
	}
	p := &watched{path: filepath.Join(dir, "stats.ndjson")}
	args := append([]string{
		"headless", "--server", base, "--room", "demo", "--name", "watched", "--input", "file:" + speech + "?loop",
		"--aec", "voice", "--ns", "on", "--agc", "on", "--stats", p.path,
	}, more...)
	p.pid, err = running.Start(io.Discard, "gasso", args...)
	return p, err
}

// granted measures in a control group: free, with a quota, free again, in little memory. It returns the
// CPU that was used when free, in percent of one core.
func granted(t *table.Table, running *programs.Group, base, speech string) (free float64, err error) {
	p, err := performer(running, base, speech)
	if err != nil {
		return 0, err
	}
	group, groupErr := newControlGroup()
	if groupErr == nil {
		defer func() { err = errors.Join(err, p.end(), group.remove()) }()
		groupErr = group.add(p.pid)
	}
	before, err := p.during(settling)
	if err != nil {
		return 0, err
	}
	free = before.cpu()
	if groupErr != nil {
		t.NotMeasured([]string{"control group", "all"}, "", groupErr.Error())
		return free, p.end()
	}
	t.Shown([]string{"no limit", "CPU of one core"}, fmt.Sprintf("%.0f %%, machine %.0f %% busy", free, before.machine()))
	last, err := p.untilNothingIsLowered(patience)
	if err != nil {
		return free, err
	}
	if err := quotas(t, p, group, free, last); err != nil {
		return free, err
	}
	return free, memory(t, p, group)
}

// quotas measures with the CPU that performers should do with at most, and where that is enough, with
// two thirds of what was used; before is how things were.
func quotas(t *table.Table, p *watched, group *controlGroup, free float64, before line) error {
	if free > enough*quotaPercent {
		return quota(t, p, group, quotaPercent, before)
	}
	if err := group.limitCPU(quotaPercent); err != nil {
		return err
	}
	in, err := p.during(tight)
	if err != nil {
		return err
	}
	t.Row([]string{fmt.Sprintf("cpu.max %d %%", quotaPercent), "process"}, "it is enough: nothing lowered or held back",
		fmt.Sprintf("%s, held back %.1f %%, steps %v", p.state(), in.throttled(), in.steps()), p.runs() && in.throttled() < 3 && len(in.steps()) == 1)
	if before, err = p.untilNothingIsLowered(patience); err != nil {
		return err
	}
	return quota(t, p, group, int(free*2/3), before)
}

// quota measures with so much CPU and without a limit again; before is how things were.
func quota(t *table.Table, p *watched, group *controlGroup, percent int, before line) error {
	name := fmt.Sprintf("cpu.max %d %%", percent)
	in, err := pressed(t, p, name, before, func() error { return group.limitCPU(percent) })
	if err != nil {
		return err
	}
	t.Row([]string{name, "process"}, "runs on, not held back at the end", fmt.Sprintf("%s, held back %.1f %% of the last %v", p.state(), in.last(judged).throttled(), judged),
		p.runs() && in.last(judged).throttled() < 3)
	return relieved(t, p, name, func() error { return group.limitCPU(0) })
}

// memory measures in much and in little memory, and without a limit again.
func memory(t *table.Table, p *watched, group *controlGroup) error {
	if err := group.limitMemory(memoryMost); err != nil {
		return err
	}
	in, err := p.during(tight)
	if err != nil {
		return err
	}
	used := in.memory()
	t.Row([]string{fmt.Sprintf("memory.max %d MiB", memoryMost>>20), "process"}, "runs on, below the limit",
		fmt.Sprintf("%s, %d MiB at most, which is %.0f %% of the limit; %d dropouts, steps %v", p.state(), used>>20, percentOf(used, memoryMost), in.dropouts(), in.steps()),
		p.runs() && used < memoryMost)
	before, err := p.untilNothingIsLowered(patience)
	if err != nil {
		return err
	}
	little := int(used + used/littleMore)
	name := fmt.Sprintf("memory.max %d MiB, %d %% more than it used", little>>20, 100/littleMore)
	in, err = pressed(t, p, name, before, func() error { return group.limitMemory(little) })
	if err != nil {
		return err
	}
	t.Row([]string{name, "process"}, "runs on, below the limit",
		fmt.Sprintf("%s, %.0f %% of the limit at most, %.0f %% at the end; %d dropouts", p.state(), percentOf(in.memory(), little), percentOf(in[len(in)-1].Memory, little), in.dropouts()),
		p.runs() && in.memory() < int64(little))
	return relieved(t, p, name, func() error { return group.limitMemory(0) })
}

func percentOf(part int64, all int) float64 { return 100 * float64(part) / float64(all) }

// pressed sets a limit and measures the steps that the governor takes; before is how things were.
func pressed(t *table.Table, p *watched, name string, before line, limit func() error) (lines, error) {
	if err := limit(); err != nil {
		return nil, err
	}
	in, err := p.during(held)
	if err != nil {
		return nil, err
	}
	steps, cells, goal := in.steps(), []string{name, "steps"}, "each after the one before"
	if before.Step == 0 {
		t.Row(cells, goal, fmt.Sprint(steps), inOrder(steps))
	} else {
		t.NotMeasured(cells, goal, fmt.Sprintf("machine %.0f %% busy, so at step %d without a limit", before.Machine, before.Step))
	}
	return in, nil
}

// relieved lifts a limit and measures how long it takes until nothing is lowered any more.
func relieved(t *table.Table, p *watched, name string, lift func() error) error {
	if err := lift(); err != nil {
		return err
	}
	lifted := time.Now()
	in, err := p.during(freed)
	if err != nil {
		return err
	}
	cells, goal := []string{name + ", lifted", "all back after"}, fmt.Sprintf("<= %v", backWithin)
	took, back := in.backAfter(lifted)
	measured := "not within " + freed.String()
	if back {
		measured = took.Round(time.Second).String()
	}
	if busy := in.machine(); busy > table.BusyPercent && !(back && took <= backWithin) {
		t.NotMeasured(cells, goal, fmt.Sprintf("machine %.0f %% busy", busy))
		return nil
	}
	t.Row(cells, goal, fmt.Sprintf("%s, by steps %v", measured, in.steps()), back && took <= backWithin)
	return nil
}

// ownLimit measures the limit that a person sets, at four fifths of what is used without.
func ownLimit(t *table.Table, running *programs.Group, base, speech string, free float64) error {
	limit := max(10, int(0.8*free))
	p, err := performer(running, base, speech, "--cpu-limit", fmt.Sprint(limit))
	if err != nil {
		return err
	}
	defer p.end()
	in, err := p.during(kept)
	if err != nil {
		return err
	}
	end := in.last(judged)
	cells, goal := []string{fmt.Sprintf("--cpu-limit %d", limit), "CPU of one core"}, fmt.Sprintf("<= %d %% at the end, each step after the one before", limit)
	if busy := end.machine(); busy > table.BusyPercent {
		t.NotMeasured(cells, goal, fmt.Sprintf("machine %.0f %% busy", busy))
		return nil
	}
	t.Row(cells, goal, fmt.Sprintf("%.1f %%, by steps %v", end.cpu(), in.steps()), end.cpu() <= float64(limit) && inOrder(in.steps()))
	return nil
}
