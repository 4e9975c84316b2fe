package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const (
	errSharing  = syscall.Errno(32)  // ERROR_SHARING_VIOLATION
	errDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
)

// lockFile opens a file that nobody else can open until it is closed, by the process's end too; nil when
// another program has it.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("open the lock of kept sound: %w", err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the lock of kept sound: %w", err)
	}
	return os.NewFile(uintptr(h), path), nil
}

// removeLock deletes the file, which must be closed for that.
func removeLock(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// isFull tells whether an error means that there is no room.
func isFull(err error) bool { return errors.Is(err, errDiskFull) }
