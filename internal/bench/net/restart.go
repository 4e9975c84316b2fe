package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// killRows: the server is killed and started again.
func killRows(r *report) error {
	const name, goal = "server kill -9 and restart", 5 * time.Second
	h, both, before, err := playing(60)
	if err != nil {
		return err
	}
	defer h.end()
	if err := h.onAir(); err != nil {
		return err
	}
	killed := time.Now()
	if err := h.kill(); err != nil {
		return err
	}
	if err := h.serve(); err != nil {
		return err
	}
	again := time.Since(killed)
	took, err := h.received(lookFor, 5, performerNames[:]...)
	if err == nil {
		took += again
	} else {
		took = -1
	}
	st, err := h.room()
	r.print(name, 0, atMost(fmt.Sprintf("the server, back after %.2f s, receives both", again.Seconds()), goal, took),
		yes("on air again", err == nil && st.OnAir.Live, "the show is over"))
	return comeBack(r, name, h, both, killed, goal, before.ID)
}

// onAir starts the broadcast.
func (r *rig) onAir() error {
	ctx, stop := context.WithTimeout(context.Background(), startUp)
	defer stop()
	if err := r.control.OnAir(ctx, roomID, true); err != nil {
		return fmt.Errorf("go on air: %w", err)
	}
	return nil
}

// drainRows: the server is asked to end while people play.
func drainRows(r *report) error {
	const name, goal = "server SIGTERM", 60 * time.Second
	h, both, before, err := playing(61)
	if err != nil {
		return err
	}
	defer h.end()
	if err := h.onAir(); err != nil {
		return err
	}
	time.Sleep(aMoment)
	asked := time.Now()
	if err := h.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the server: %w", err)
	}
	err = h.Wait(h.serving)
	took := time.Since(asked)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	r.print(name, 0, atMost("drained", goal, took), yes("exit 0", err == nil, fmt.Sprint(err)))
	restarted := time.Now()
	if err := h.serve(); err != nil {
		return err
	}
	return comeBack(r, name+" and restart", h, both, restarted, 5*time.Second, before.ID)
}
