package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
)

const mostAside = 100 // files of one publication that could not be read

// Writer is what is known of one publication, the backfill.Book of it. Its methods may be called from
// any goroutine.
type Writer struct {
	keeper *Keeper
	header Header
	name   string

	// State of the keeper's goroutine.
	file     *os.File
	size     int64
	used     time.Time
	release  func()
	unsynced backfill.Set // written since the last fsync

	// Guarded by keeper.mu.
	loaded       bool         // what is on disk is known
	lastUse      int64        // Keeper.uses then
	pending      int          // records queued
	opened       bool         // file is there
	received     backfill.Set // arrived
	safe         backfill.Set // on disk, or wanted by nobody
	lost         backfill.Set // arrived and could not be written
	newest       int64        // number, -1 before the first,
	newestSample int64        // and its first sample
}

// Missing adds to dst what of r has not arrived. Until the disk was read that is nothing.
func (w *Writer) Missing(r backfill.Range, dst *backfill.Set) {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	if w := w.keeper.inMemoryLocked(w); w.loaded {
		w.received.Missing(r, dst)
	}
}

// Newest returns the highest number that arrived and its first sample, -1 before the first.
func (w *Writer) Newest() (number, firstSample int64) {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	w = w.keeper.inMemoryLocked(w)
	return w.newest, w.newestSample
}

// Safe adds to dst what is on disk, and what nobody wants to keep.
func (w *Writer) Safe(dst *backfill.Set) {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	for _, r := range w.keeper.inMemoryLocked(w).safe.Ranges() {
		dst.Add(r)
	}
}

// Kept tells whether packets are kept now.
func (w *Writer) Kept() bool {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	return w.keeper.kept
}

// addFilling adds a number; a set that is full gives up its oldest gap.
func addFilling(s *backfill.Set, number int64) {
	addRange(s, backfill.Range{First: number, Last: number})
}

func addRange(s *backfill.Set, r backfill.Range) {
	if !s.Add(r) {
		s.FillOldest()
		s.Add(r)
	}
}

// load reads what is on disk of the publication, cuts off a torn end, and makes sure that the rest is
// there for good. A file that cannot be read is put aside.
func (w *Writer) load() error {
	found, newest, newestSample := backfill.Set{}, int64(-1), int64(0)
	err := w.readExisting(func(p *packet.Packet, _ int64) error {
		addFilling(&found, p.Number)
		if p.Number > newest {
			newest, newestSample = p.Number, p.FirstSample
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case saysNothingOfFile(err):
		return err
	default:
		if err := w.putAside(err); err != nil {
			return err
		}
		found, newest = backfill.Set{}, -1
	}
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	w.keeper.loading = nil
	w.loaded = true
	for _, r := range found.Ranges() {
		addRange(&w.received, r)
		addRange(&w.safe, r)
	}
	if newest > w.newest {
		w.newest, w.newestSample = newest, newestSample
	}
	return nil
}

// readExisting passes on the packets of the publication's file, and repairs its end.
func (w *Writer) readExisting(each func(*packet.Packet, int64) error) error {
	if err := w.openExisting(); err != nil {
		return err
	}
	defer w.release()
	s, err := scan(w.file, each)
	if err == nil {
		err = w.repair(s)
	}
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if err != nil {
		return fmt.Errorf("read file of the journal: %w", err)
	}
	return nil
}

// repair cuts off what was left of the last write.
func (w *Writer) repair(s Scan) error {
	if s.Torn > 0 || s.Damaged > 0 {
		w.keeper.journal.cfg.Log.Warn("file of the journal was damaged", "file", w.name, "torn_bytes", s.Torn, "damaged_bytes", s.Damaged)
	}
	if s.Torn > 0 {
		if err := w.file.Truncate(s.Intact); err != nil {
			return err
		}
		w.keeper.journal.account(w.keeper.room, -s.Torn)
	}
	return w.file.Sync()
}

// saysNothingOfFile tells whether an error is one of the computer, which any file would have met.
func saysNothingOfFile(err error) bool {
	for _, of := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN, syscall.EROFS, syscall.ENOSPC,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// putAside gives a file that cannot be read another name, so that the publication goes on in a new one.
func (w *Writer) putAside(why error) error {
	j := w.keeper.journal
	stem := strings.TrimSuffix(w.name, suffix) + "-damaged"
	aside := stem + suffix
	for n := 2; n <= mostAside; n++ {
		if _, err := j.root.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d%s", stem, n, suffix)
	}
	if err := j.root.Rename(w.name, aside); err != nil {
		return errors.Join(why, fmt.Errorf("put file of the journal aside: %w", err))
	}
	j.cfg.Log.Error("file of the journal cannot be read and is put aside", "file", w.name, "now", aside, "error", why)
	return nil
}

// openExisting opens the publication's file when there is one.
func (w *Writer) openExisting() error {
	release := w.keeper.journal.hold(w.name)
	f, err := w.keeper.journal.root.OpenFile(w.name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		release()
		return fmt.Errorf("open file of the journal: %w", err)
	}
	w.file, w.release = f, release
	return nil
}

// openFile opens the publication's file to write, a new one with its header.
func (w *Writer) openFile() error {
	j := w.keeper.journal
	err := w.openExisting()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w.createFile()
	case err != nil:
		return err
	}
	w.size, err = w.file.Seek(0, io.SeekEnd)
	if err != nil {
		_ = w.file.Close()
		w.file = nil
		w.release()
		return fmt.Errorf("open file of the journal: %w", err)
	}
	w.used = j.cfg.Now()
	return nil
}

func (w *Writer) createFile() error {
	j := w.keeper.journal
	header, err := encodeHeader(&w.header)
	if err != nil {
		return err
	}
	if err := j.reserve(w.keeper.room, int64(len(header))); err != nil {
		return err
	}
	folder := path.Dir(w.name)
	if err := j.root.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make folder of the journal: %w", err)
	}
	release := j.hold(w.name)
	f, err := j.root.OpenFile(w.name, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		release()
		return fmt.Errorf("make file of the journal: %w", err)
	}
	n, err := f.Write(header)
	if err == nil {
		err = j.syncFolder(folder)
	}
	if err != nil {
		release()
		return errors.Join(fmt.Errorf("write header of the journal: %w", err), f.Close(), j.root.Remove(w.name))
	}
	w.file, w.release, w.size, w.used = f, release, int64(n), j.cfg.Now()
	j.account(w.keeper.room, w.size)
	return nil
}

// write appends whole records. After a failure the file is as before.
func (w *Writer) write(records []byte) error {
	j := w.keeper.journal
	if err := j.reserve(w.keeper.room, int64(len(records))); err != nil {
		return err
	}
	if _, err := w.file.Write(records); err != nil {
		err = fmt.Errorf("write journal: %w", err)
		if cut := w.file.Truncate(w.size); cut != nil {
			err = errors.Join(err, fmt.Errorf("cut journal: %w", cut))
		}
		return err
	}
	w.size += int64(len(records))
	w.used = j.cfg.Now()
	j.account(w.keeper.room, int64(len(records)))
	return nil
}
