package device

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pause waits to within some 50 microseconds, as sound hardware does; Go's own timers are up to a
// millisecond late on Linux, since they end at whole milliseconds of epoll_wait(2). It belongs to
// one goroutine.
type pause struct {
	fd    int
	file  *os.File // on timerfd_create(2); nil where the system has none
	spec  unix.ItimerSpec
	count [8]byte
}

func newPause() *pause {
	p := &pause{}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err == nil {
		p.fd, p.file = fd, os.NewFile(uintptr(fd), "timer")
	}
	return p
}

// wait returns after so long.
func (p *pause) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	if p.file != nil {
		p.spec.Value = unix.NsecToTimespec(int64(d))
		if unix.TimerfdSettime(p.fd, 0, &p.spec, nil) == nil {
			if _, err := p.file.Read(p.count[:]); err == nil {
				return
			}
		}
	}
	time.Sleep(d)
}

func (p *pause) close() {
	if p.file != nil {
		_ = p.file.Close() // nothing was written
	}
}
