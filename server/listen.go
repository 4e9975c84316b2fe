package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gasso/net/intake"
	"gasso/server/limits"
)

const (
	socketName    = "control.sock"
	lockName      = "server.lock"
	maxSocketPath = 100 // the system allows 104 to 108 bytes
	maxSilent     = 512 // public connections without a first request: with TLS about 20 KB each
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

// limitConnections bounds the simultaneous connections of the public port, so that listeners can never
// take the descriptors that media need. Those above wait until another one ends.
func (c *Config) limitConnections(l net.Listener) (net.Listener, error) {
	descriptors, err := limits.Descriptors()
	if err != nil {
		return nil, err
	}
	most := c.Limits.Connections
	if most == 0 {
		most = limits.UsualConnections(descriptors)
	}
	if top := limits.MostConnections(descriptors); most > top {
		return nil, fmt.Errorf("limits.connections: %d is too much for a process that may have %d files open: use at most %d, or raise the limit (ulimit -n, LimitNOFILE)",
			most, descriptors, top)
	}
	// Those that say nothing cost little and are never many, so that they leave room for those that do.
	return intake.New(l, intake.Config{Silent: min(maxSilent, max(1, most/4)), Taken: most}), nil
}

// prepareFolder makes the data folder, for the server's account alone, and checks that it can be
// written.
func prepareFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data: cannot make the folder %s: %w: choose another with --data", dir, err)
	}
	f, err := os.CreateTemp(dir, ".write-test-*")
	if err != nil {
		return fmt.Errorf("data: the folder %s cannot be written: %w: change its owner, or choose another with --data", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// lockFolder takes the data folder for this server until the file is closed. The file stays: one that
// is removed could be locked twice.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data: open the lock: %w: change the owner of the folder, or choose another with --data", err)
	}
	locked, err := tryLock(f)
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("data: lock the folder %s: %w: choose one on a local disk with --data", folder, err), f.Close())
	case !locked:
		return nil, errors.Join(anotherServer(folder), f.Close())
	}
	return f, nil
}

func anotherServer(folder string) error {
	return fmt.Errorf("data: another server runs with the folder %s: end that one, or choose another folder with --data", folder)
}

// SocketPath is where the running server of a data folder takes orders.
func SocketPath(folder string) string { return filepath.Join(folder, socketName) }

// listenControl opens the control socket of a folder that is locked. It asks all the same whether
// somebody answers there: not every system locks.
func listenControl(folder string) (net.Listener, error) {
	path := SocketPath(folder)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("data: the path %s is too long for a socket: choose a shorter one with --data", folder)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, anotherServer(folder)
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
