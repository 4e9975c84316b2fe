// Package programs starts the built programs for measurements and ends them.
package programs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// Group is the processes of one measurement. It belongs to one goroutine; the zero value is empty.
type Group struct {
	commands []*exec.Cmd
	folders  []string
}

// Start starts a program of bin/ and returns its process id.
func (g *Group) Start(stdout io.Writer, name string, args ...string) (pid int, err error) {
	c := exec.Command("bin/"+name, args...)
	c.Stdout = stdout
	if err := g.Run(c); err != nil {
		return 0, err
	}
	return c.Process.Pid, nil
}

// Run starts a command, such as one in a network namespace.
func (g *Group) Run(c *exec.Cmd) error {
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s (make build makes it): %w", c.Path, err)
	}
	g.commands = append(g.commands, c)
	return nil
}

// Wait waits until a command that Run started ends by itself, and no longer ends it then.
func (g *Group) Wait(c *exec.Cmd) error {
	g.commands = slices.DeleteFunc(g.commands, func(other *exec.Cmd) bool { return other == c })
	return c.Wait()
}

// Folder makes a folder that is there until End.
func (g *Group) Folder() (string, error) {
	dir, err := os.MkdirTemp("", "gasso-bench")
	if err != nil {
		return "", fmt.Errorf("make a folder for the measurement: %w", err)
	}
	g.folders = append(g.folders, dir)
	return dir, nil
}

// Server starts a server on free ports and waits until it is there.
func (g *Group) Server() (base string, pid int, err error) {
	data, err := g.Folder()
	if err != nil {
		return "", 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return "", 0, err
	}
	r, w := io.Pipe()
	defer r.Close()
	pid, err = g.Start(w, "gasso-server", "serve", "--dev", "--http", address, "--ops", "off", "--rtc-udp", "0", "--rtc-tcp", "0", "--data", data)
	if err != nil {
		return "", 0, err
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "listener") {
			return "http://" + address, pid, nil
		}
	}
	return "", 0, errors.New("the server did not start")
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// End ends everything and waits.
func (g *Group) End() {
	for _, c := range g.commands {
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	for _, c := range g.commands {
		_ = c.Wait()
	}
	for _, f := range g.folders {
		_ = os.RemoveAll(f)
	}
}
