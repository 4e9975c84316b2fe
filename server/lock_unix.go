//go:build unix && !aix && !solaris

package server

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file until it is closed, by its process's end too. It returns false when another
// open file holds the lock.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
