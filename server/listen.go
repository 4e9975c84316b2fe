package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	socketName    = "control.sock"
	maxSocketPath = 100 // the system allows 104 to 108 bytes
)

// listen opens a TCP port and says in words what is in the way. key is the option to change.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another program: end that one, or choose another port with --%s", key, address, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: this account may not listen on %s: choose a port above 1023 with --%s, or grant CAP_NET_BIND_SERVICE", key, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: this machine does not have the address %s: choose another with --%s", key, address, key)
	}
	return nil, fmt.Errorf("%s: listen on %s: %w", key, address, err)
}

// prepareData makes the data folder, for the server's account alone, and checks that it can be
// written.
func prepareData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data: cannot make the folder %s: %w: choose another with --data", dir, err)
	}
	f, err := os.CreateTemp(dir, ".write-test-*")
	if err != nil {
		return fmt.Errorf("data: the folder %s cannot be written: %w: change its owner, or choose another with --data", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// SocketPath is where the running server of a data folder takes orders.
func SocketPath(data string) string { return filepath.Join(data, socketName) }

// listenControl opens the control socket. It fails when a server runs with this data folder already.
func listenControl(data string) (net.Listener, error) {
	path := SocketPath(data)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("data: the path %s is too long for a socket: choose a shorter one with --data", data)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("data: another server runs with the folder %s: end that one, or choose another folder with --data", data)
	}
	_ = os.Remove(path) // left by a server that was killed
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("data: open control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("data: protect control socket: %w", err), l.Close())
	}
	return l, nil
}
