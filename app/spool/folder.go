package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	lockName   = "lock"
	mostSlots  = 8 // programs that keep sound for the same room under the same name
	keptFor    = 7 * 24 * time.Hour
	lockTrials = 3
)

// folderName is what the folder of a spool is called: the room, and which of several programs.
var folderName = regexp.MustCompile(`^[0-9a-f]{16}-[1-8]$`)

// ErrTaken means that other programs have all folders for this room and name.
var ErrTaken = errors.New("other programs keep sound for this room and name already")

// Folder is the place of one spool. A lock in it holds off other programs.
type Folder struct {
	root *os.Root
	path string
	lock *os.File
}

// DefaultBase is where the folders of this account are.
func DefaultBase() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for kept sound: %w", err)
	}
	return filepath.Join(dir, "gasso", "spool"), nil
}

// OpenFolder takes a folder below base for a server, room and name: one that another run left, if it is
// free. Folders that nobody touched for a week are removed.
func OpenFolder(base, server, room, name string, now time.Time) (*Folder, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for kept sound: %w", err)
	}
	prune(base, now)
	key, err := json.Marshal([]string{server, room, name})
	if err != nil {
		return nil, fmt.Errorf("name the folder for kept sound: %w", err)
	}
	sum := sha256.Sum256(key)
	stem := filepath.Join(base, hex.EncodeToString(sum[:8]))
	for slot := 1; slot <= mostSlots; slot++ {
		f, err := takeFolder(fmt.Sprintf("%s-%d", stem, slot))
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, ErrTaken
}

// takeFolder makes and locks a folder; nil when another program has it.
func takeFolder(path string) (*Folder, error) {
	for range lockTrials {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder for kept sound: %w", err)
		}
		lock, err := lockFile(filepath.Join(path, lockName))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if lock == nil || err != nil {
			return nil, err
		}
		if !stillThere(lock) {
			_ = lock.Close()
			continue
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the folder for kept sound: %w", err), lock.Close())
		}
		_ = os.Chtimes(path, time.Time{}, time.Now()) // young again; prune goes by it
		return &Folder{root: root, path: path, lock: lock}, nil
	}
	return nil, nil
}

// stillThere tells whether the locked file is the one of that name: the folder may have been removed
// between opening and locking.
func stillThere(lock *os.File) bool {
	held, err := lock.Stat()
	named, err2 := os.Stat(lock.Name())
	return err == nil && err2 == nil && os.SameFile(held, named)
}

// Close gives the folder back; one in which nothing is kept goes.
func (f *Folder) Close() error {
	err := f.root.Close()
	if entries, readErr := os.ReadDir(f.path); readErr == nil && len(entries) == 1 {
		f.remove()
	}
	_ = f.lock.Close() // may be closed already
	return err
}

// remove deletes the files of a spool, and the folder when that was all.
func (f *Folder) remove() {
	entries, _ := os.ReadDir(f.path)
	for _, e := range entries {
		if _, isSegment := segmentNumber(e.Name()); isSegment || e.Name() == identityName || e.Name() == identityDraft {
			_ = os.Remove(filepath.Join(f.path, e.Name()))
		}
	}
	removeLock(f.lock)
	_ = os.Remove(f.path)
}

// prune removes the folders of spools that nobody touched for a week and nobody has.
func prune(base string, now time.Time) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		path := filepath.Join(base, e.Name())
		if !e.IsDir() || !folderName.MatchString(e.Name()) || now.Sub(touched(path)) < keptFor {
			continue
		}
		lock, err := lockFile(filepath.Join(path, lockName))
		if lock == nil || err != nil {
			continue
		}
		f := &Folder{path: path, lock: lock}
		f.remove()
		_ = lock.Close()
	}
}

// touched is when something in a folder was last written.
func touched(path string) (last time.Time) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != lockName && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	if info, err := os.Stat(path); err == nil && info.ModTime().After(last) {
		last = info.ModTime()
	}
	return last
}
