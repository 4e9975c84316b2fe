package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread that is in the node's network: sockets that f itself opens belong there
// for good. Goroutines that f starts are not there.
func (n *Node) Do(f func() error) error {
	done := make(chan error, 1)
	go func() { // of its own: a thread that cannot come back ends with it
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- fmt.Errorf("enter %s: %w", n.name, err)
			return
		}
		defer home.Close()
		there, err := os.Open("/run/netns/" + n.space)
		if err != nil {
			done <- fmt.Errorf("enter %s: %w", n.name, err)
			return
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", n.name, err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// tunnel makes a TUN device in the node, whose other end is the file.
func (n *Node) tunnel(name string) (file *os.File, err error) {
	err = n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("make interface %s: %w", name, err)
		}
		file = os.NewFile(uintptr(fd), name)
		return nil
	})
	return file, err
}
