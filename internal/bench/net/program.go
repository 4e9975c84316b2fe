package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"gasso/internal/netsim"
)

const (
	listenFor  = 16 * time.Second // of the program
	listenSkip = 2 * time.Second  // of its beginning
	listenLate = 45 * time.Second // when a listener gives up
	healedGap  = 500 * time.Millisecond
)

// programRows: the line of a performer on air is dead for less than the program is behind. Whoever
// plays with him hears that; listeners do not.
func programRows(r *report) error {
	name := fmt.Sprintf("line dead for %v on air, program 1 s behind", healedGap)
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		r.table.NotMeasured([]string{name, "all"}, "", "ffmpeg is missing; run make setup")
		return nil
	}
	g, err := newRig(26, "program-delay: 1s")
	if err != nil {
		return err
	}
	defer g.end()
	home := netsim.Conditions{Delay: homeDelay}
	both := [2]*performer{}
	for i, args := range [][]string{{"--input", "silence", "--receive", "mix"}, nil} { // the first one hears the live mix without himself
		node, err := g.world.Host(performerNames[i])
		if err != nil {
			return err
		}
		node.Set(home)
		if both[i], err = g.perform(node, performerNames[i], args...); err != nil {
			return err
		}
	}
	if _, err := g.received(connectWait, 200, performerNames[1]); err != nil {
		return err
	}
	time.Sleep(settled / 2)
	l, err := g.listen()
	if err != nil {
		return err
	}
	time.Sleep(aMoment)
	dead := time.Now()
	both[1].node.Set(netsim.Conditions{Blackout: true})
	time.Sleep(healedGap)
	both[1].node.Set(home)
	levels, err := l.levels(dead)
	if err != nil {
		r.failed(name, "the program is heard", "yes", err)
		return nil
	}
	heard, err := both[0].sound()
	if err != nil {
		return err
	}
	live, program := heard.silence(dead.Add(-steady), dead.Add(healedGap+aMoment)), drop(levels)
	r.print(name, g.busy(),
		figure{"longest gap of his tone in the live mix", fmt.Sprintf(">= %v", healedGap/2), fmt.Sprintf("%d ms", live.Milliseconds()), live >= healedGap/2},
		figure{"longest gap of his tone in the program, 6 dB down and more", "0 ms", fmt.Sprintf("%d ms", program.Milliseconds()), program == 0})
	return both[1].hashes(r, name)
}

// listener is an ffmpeg that follows the playlist from its first segment.
type listener struct {
	aired time.Time
	path  string
	ended chan error
	pid   int
}

// listen goes on air and follows the program as soon as there is one.
func (r *rig) listen() (*listener, error) {
	node, err := r.world.Host("listener")
	if err != nil {
		return nil, err
	}
	node.Set(netsim.Conditions{Delay: homeDelay})
	l := &listener{aired: time.Now(), path: r.path("program.wav"), ended: make(chan error, 1)}
	if err := r.onAir(); err != nil {
		return nil, err
	}
	playlist := r.base() + "/live/room-" + roomID + "/playlist.m3u8"
	if _, err := wait(startUp, func() (bool, error) {
		return node.Command("ffprobe", "-v", "error", playlist).Run() == nil, nil
	}); err != nil {
		return nil, fmt.Errorf("there is no program: %w", err)
	}
	c := node.Command("ffmpeg", "-v", "error", "-live_start_index", "0", "-i", playlist, "-t", fmt.Sprint(listenFor.Seconds()),
		"-map", "0:a:0", "-c:a", "pcm_f32le", "-ar", "48000", "-ac", "1", "-y", l.path)
	said := &strings.Builder{}
	c.Stderr = said
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.pid = c.Process.Pid
	go func() { // the end of the world ends it, if nothing else
		err := c.Wait()
		if err != nil {
			err = fmt.Errorf("ffmpeg ended: %w: %s", err, lastLine([]byte(said.String())))
		}
		l.ended <- err
	}()
	return l, nil
}

// levels waits for the end and returns the RMS of each block of the program, which is checked to hold
// what was played at a moment.
func (l *listener) levels(at time.Time) ([]float64, error) {
	select {
	case err := <-l.ended:
		if err != nil {
			return nil, err
		}
	case <-time.After(listenLate):
		_ = syscall.Kill(l.pid, syscall.SIGKILL)
		<-l.ended
		return nil, fmt.Errorf("the program of %v did not come within %v", listenFor, listenLate)
	}
	levels, err := levelsOf(l.path)
	switch heard := time.Duration(len(levels)) * heardBlock; {
	case err != nil:
		return nil, fmt.Errorf("read the program: %w", err)
	case heard < listenFor-steady:
		return nil, fmt.Errorf("%v of the program came", heard)
	case l.aired.Add(listenFor-2*aMoment).Before(at) || at.Before(l.aired.Add(listenSkip)):
		return nil, errors.New("the program came too late")
	}
	return levels[listenSkip/heardBlock:], nil
}

// drop returns the longest time in which a tone is less than half as loud as it is most of the time.
func drop(levels []float64) (longest time.Duration) {
	sorted := slices.Sorted(slices.Values(levels))
	run := 0
	for _, level := range levels {
		if level >= sorted[len(sorted)/2]/2 && level > heardLevel {
			run = 0
			continue
		}
		run++
		longest = max(longest, time.Duration(run)*heardBlock)
	}
	return longest
}
