package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gasso/internal/bench/programs"
	"gasso/internal/bench/table"
	"gasso/internal/netsim/netns"
	"gasso/server"
	"gasso/server/room"
)

const (
	roomID    = "demo"
	pollEvery = 25 * time.Millisecond
	startUp   = 15 * time.Second
)

// rig is a world with a server in it and, later, performers.
type rig struct {
	programs.Group
	world   *netns.World
	node    *netns.Node // the server's
	dir     string
	serving *exec.Cmd
	busy    func() float64 // percent of the machine in use since the rig was made
	control *server.Control
}

// newRig makes a world and starts a server with a public address in it: TLS on 443, an own
// certificate, room demo open to everybody. Further lines of its configuration may be given.
func newRig(seed uint64, config ...string) (r *rig, err error) {
	world, err := netns.New(seed)
	if err != nil {
		return nil, err
	}
	r = &rig{world: world, busy: table.Watch()}
	defer func() {
		if err != nil {
			r.end()
		}
	}()
	if r.node, err = world.Host("server"); err != nil {
		return nil, err
	}
	if r.dir, err = r.Folder(); err != nil {
		return nil, err
	}
	if err := writeCertificate(r.dir, r.node.Address().String()); err != nil {
		return nil, err
	}
	text := "rooms:\n  - id: " + roomID + "\n    open: true\n" + strings.Join(config, "\n") + "\n"
	if err := os.WriteFile(r.path("server.yaml"), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure the server: %w", err)
	}
	r.control = server.NewControl(r.path("data"))
	return r, r.serve()
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// serve starts the server, again with what it kept, and waits until it answers.
func (r *rig) serve() error {
	address := r.node.Address().String()
	c := r.node.Command("bin/gasso-server", "serve", "--config", r.path("server.yaml"), "--data", r.path("data"),
		"--http", address+":443", "--tls-cert", r.path("cert.pem"), "--tls-key", r.path("key.pem"), "--ops", "off")
	log, err := os.OpenFile(r.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := r.Run(c); err != nil {
		return err
	}
	r.serving = c
	_, err = wait(startUp, func() (bool, error) {
		_, err := r.room()
		return err == nil, nil
	})
	if err != nil {
		said, _ := os.ReadFile(r.path("server.log"))
		return fmt.Errorf("the server does not answer: %s", lastLine(said))
	}
	return nil
}

// base is the server's address.
func (r *rig) base() string { return "https://" + r.node.Address().String() }

// room asks the server how the room is.
func (r *rig) room() (room.Status, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	return r.control.Room(ctx, roomID)
}

// participant asks the server how a performer is; more than one of a name is an error.
func (r *rig) participant(name string) (room.ParticipantStatus, error) {
	st, err := r.room()
	if err != nil {
		return room.ParticipantStatus{}, err
	}
	found := room.ParticipantStatus{}
	for _, p := range st.Participants {
		if p.Name != name {
			continue
		}
		if found.ID != "" {
			return found, fmt.Errorf("%s is in the room twice", name)
		}
		found = p
	}
	if found.ID == "" {
		return found, errors.New(name + " is not in the room")
	}
	return found, nil
}

// received waits until the server has n more packets of a performer than now.
func (r *rig) received(within time.Duration, n int64, names ...string) (took time.Duration, err error) {
	begun := time.Now()
	for _, name := range names {
		before := int64(-1)
		_, err := wait(within-time.Since(begun), func() (bool, error) {
			p, err := r.participant(name)
			if err != nil {
				return false, nil
			}
			if before < 0 || p.PacketsReceived < before {
				before = p.PacketsReceived
			}
			return p.PacketsReceived >= before+n, nil
		})
		if err != nil {
			return -1, fmt.Errorf("the server receives nothing of %s within %v", name, within)
		}
	}
	return time.Since(begun), nil
}

// kill ends the server at once.
func (r *rig) kill() error {
	if err := r.serving.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	_ = r.Wait(r.serving)
	return nil
}

// end ends the programs and removes the world.
func (r *rig) end() {
	r.End()
	if err := r.world.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "bench-net:", err)
	}
}

// wait asks again and again until it is so, and tells how long that took.
func wait(within time.Duration, so func() (bool, error)) (took time.Duration, err error) {
	begun := time.Now()
	for {
		ok, err := so()
		switch {
		case err != nil:
			return -1, err
		case ok:
			return time.Since(begun), nil
		case time.Since(begun) > within:
			return -1, fmt.Errorf("not within %v", within)
		}
		time.Sleep(pollEvery)
	}
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
