//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/shirou/gopsutil/v4/process"

	"gasso/net/signaling"
)

// message is a line of JSON between the benchmark and a server process.
type message struct {
	ID        string            `json:"id"`
	Publishes bool              `json:"publishes,omitempty"` // of a join
	Signal    *signaling.Signal `json:"signal,omitempty"`    // nil: join
	Collect   bool              `json:"collect,omitempty"`   // give back memory that nothing uses, then say so
}

// serverProcess is this program as a server.
type serverProcess struct {
	process *process.Process
	command *exec.Cmd
	in      io.WriteCloser

	mu    sync.Mutex // guards writing and takers
	lines *json.Encoder
	take  map[string]chan *signaling.Signal
	done  chan struct{}

	collected chan struct{}
}

func startServer(kind string, publishers int, profile string) (*serverProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, "-serve", kind, "-publishers", strconv.Itoa(publishers), "-profile", profile)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	s := &serverProcess{
		command: command, in: in, lines: json.NewEncoder(in),
		take: map[string]chan *signaling.Signal{}, done: make(chan struct{}),
		collected: make(chan struct{}, 1),
	}
	lines := json.NewDecoder(out)
	var ready message
	err = lines.Decode(&ready)
	if err == nil {
		s.process, err = process.NewProcess(int32(command.Process.Pid))
	}
	go s.runReader(lines)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("start server: %w", err)
	}
	return s, nil
}

// runReader hands each line to its client until the server ends.
func (s *serverProcess) runReader(lines *json.Decoder) {
	defer close(s.done)
	for {
		var m message
		if lines.Decode(&m) != nil {
			break
		}
		s.mu.Lock()
		take := s.take[m.ID]
		s.mu.Unlock()
		if m.Collect {
			s.collected <- struct{}{}
		}
		if take != nil && m.Signal != nil {
			take <- m.Signal
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, take := range s.take {
		close(take)
	}
	s.take = nil
}

// join implements signalWay.
func (s *serverProcess) join(c *client, publishes bool) error {
	signals := make(chan *signaling.Signal, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.take == nil {
		return errors.New("the server has ended")
	}
	s.take[c.id] = signals
	go func() {
		for m := range signals {
			c.take(m)
		}
	}()
	return s.lines.Encode(message{ID: c.id, Publishes: publishes})
}

func (s *serverProcess) signal(id string, m *signaling.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Encode(message{ID: id, Signal: m})
}

// collect has the server give back what it does not use, and waits.
func (s *serverProcess) collect() error {
	s.mu.Lock()
	err := s.lines.Encode(message{Collect: true})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-s.collected:
		return nil
	case <-s.done:
		return errors.New("the server has ended")
	}
}

// close ends the server, which ends with its input, and waits.
func (s *serverProcess) close() {
	_ = s.in.Close()
	<-s.done
	_ = s.command.Wait()
}
