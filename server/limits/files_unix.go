//go:build unix

package limits

import (
	"fmt"
	"syscall"
)

// Descriptors is how many files and sockets the process may have open. Go has raised the soft limit
// to the hard one.
func Descriptors() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	return int(min(uint64(limit.Cur), maxDescriptors)), nil // bounded; signed on some systems
}
