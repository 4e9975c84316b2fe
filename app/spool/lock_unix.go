//go:build unix && !aix && !solaris

package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile opens a file and locks it until it is closed, by the process's end too; nil when another
// program has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of kept sound: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock the folder for kept sound: %w", err)
	}
	return f, nil
}

// removeLock deletes the file while it is locked.
func removeLock(f *os.File) { _ = os.Remove(f.Name()) }

// isFull tells whether an error means that there is no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
