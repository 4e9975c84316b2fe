// Package journal keeps every packet that the server received, in append-only checksummed files, one
// for each publication: DIR/ROOM/PARTICIPANT/PUBLICATION.journal.
//
// Keeper.Append puts a packet into the queue of its participant and never blocks; the Keeper's goroutine
// writes what is queued and calls fsync once a second. A Writer knows which numbers
// arrived and which are on disk, over restarts too: it is the book that backfill asks.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Mode says when packets are kept.
type Mode string

// Modes of a journal. Packets that are not kept are still counted, so that backfill can heal the program.
const (
	ModeOff    Mode = "off"
	ModeOnAir  Mode = "on-air"
	ModeAlways Mode = "always"
)

// Config is what a journal is bound by.
type Config struct {
	Mode       Mode
	RoomBytes  int64                 // of one room on disk; the oldest publications of who left go first
	TotalBytes int64                 // of all rooms
	Keep       time.Duration         // ended publications are deleted so long after their last packet; 0: never
	Sync       time.Duration         // written packets are on disk after at most so long; 1 s when 0
	RoomNS     func(time.Time) int64 // room time of a moment
	Now        func() time.Time      // time.Now when nil; with a monotonic reading
	Log        *slog.Logger          // discarded when nil
}

// Journal is the folder. Its methods may be called from any goroutine.
type Journal struct {
	cfg  Config
	root *os.Root

	quit    chan struct{}
	closing sync.Once

	pruning sync.Mutex           // held while files are deleted
	aged    map[string]time.Time // when files were first seen to be too old; guarded by pruning

	mu       sync.Mutex
	rooms    map[string]int64 // bytes on disk
	total    int64
	open     map[string]int     // names of files that somebody writes or is about to
	problems map[*Keeper]string // for people
	last     map[string]*Keeper // by room and participant
	running  sync.WaitGroup
	dropped  atomic.Int64
	written  atomic.Int64
}

var errFull = errors.New("the journal's limit is reached, and all in it is of performers who are in their rooms")

const (
	ageLook   = time.Hour
	agedTwice = 24 * time.Hour // a file is too old when two looks agree that are so far apart
)

// Open opens the folder, which is made where it is missing, and deletes what is too much.
func Open(dir string, cfg Config) (*Journal, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Sync == 0 {
		cfg.Sync = time.Second
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of the journal: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder of the journal: %w", err)
	}
	j := &Journal{
		cfg: cfg, root: root, quit: make(chan struct{}), aged: map[string]time.Time{},
		rooms: map[string]int64{}, open: map[string]int{}, problems: map[*Keeper]string{}, last: map[string]*Keeper{},
	}
	files, err := j.files()
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	for _, f := range files {
		j.account(f.room, f.size)
	}
	j.prune("", 0)
	if cfg.Keep > 0 {
		j.running.Go(j.runAge)
	}
	return j, nil
}

// runAge looks for what is too old until Close.
func (j *Journal) runAge() {
	ticker := time.NewTicker(ageLook)
	defer ticker.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-ticker.C:
			j.prune("", 0)
		}
	}
}

// Close ends the keepers that the rooms left open, waits until all is written, and closes the folder.
func (j *Journal) Close() error {
	j.closing.Do(func() { close(j.quit) })
	j.mu.Lock()
	for _, k := range j.last {
		k.Close()
	}
	j.mu.Unlock()
	j.running.Wait()
	if err := j.root.Close(); err != nil {
		return fmt.Errorf("close folder of the journal: %w", err)
	}
	return nil
}

// Status is how the journal is.
type Status struct {
	Bytes   int64  // on disk
	Packets int64  // written by this process
	Dropped int64  // packets that found the queue full or the disk not writable; they count as missing
	Problem string // for people; empty when all is well
}

// Status tells how the journal is.
func (j *Journal) Status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Status{Bytes: j.total, Packets: j.written.Load(), Dropped: j.dropped.Load()}
	for _, problem := range j.problems {
		s.Problem = max(s.Problem, problem) // any, but always the same
	}
	return s
}

// Problem says in words what keeps a room's packets from being kept; empty when all is well.
func (j *Journal) Problem(room string) (problem string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, text := range j.problems {
		if k.room == room {
			problem = max(problem, text)
		}
	}
	return problem
}

// follow notes a participant's newest keeper, and returns what tells that the one before has ended.
func (j *Journal) follow(k *Keeper) (before <-chan struct{}) {
	key := path.Join(k.room, k.participant)
	j.mu.Lock()
	defer j.mu.Unlock()
	if last := j.last[key]; last != nil {
		before = last.done
	}
	j.last[key] = k
	return before
}

// ended forgets a keeper.
func (j *Journal) ended(k *Keeper) {
	key := path.Join(k.room, k.participant)
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.problems, k)
	if j.last[key] == k {
		delete(j.last, key)
	}
}

// file is a publication's file on disk.
type file struct {
	name, room string
	size       int64
	changed    time.Time
}

// files lists what is on disk, the oldest first.
func (j *Journal) files() ([]file, error) {
	names, err := Names(j.root.Name())
	if err != nil {
		return nil, err
	}
	files := make([]file, 0, len(names))
	for _, name := range names {
		info, err := j.root.Stat(name)
		if err != nil {
			continue // deleted meanwhile
		}
		files = append(files, file{name, path.Dir(path.Dir(name)), info.Size(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.changed.UnixNano(), b.changed.UnixNano()) })
	return files, nil
}

// account adds to what a room has on disk.
func (j *Journal) account(room string, bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rooms[room] += bytes
	j.total += bytes
}

// fits tells whether so many more bytes of a room are within the limits.
func (j *Journal) fits(room string, bytes int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.overLocked(room, bytes) <= 0
}

// overLocked is by how many bytes a room, or everything, would be above its limit.
func (j *Journal) overLocked(room string, bytes int64) int64 {
	over := int64(-1)
	if j.cfg.RoomBytes > 0 {
		over = j.rooms[room] + bytes - j.cfg.RoomBytes
	}
	if j.cfg.TotalBytes > 0 {
		over = max(over, j.total+bytes-j.cfg.TotalBytes)
	}
	return over
}

// reserve makes place for bytes of a room, where publications of who left have to go for it.
func (j *Journal) reserve(room string, bytes int64) error {
	if j.fits(room, bytes) {
		return nil
	}
	j.prune(room, max(bytes, j.cfg.RoomBytes/64)) // some more at once, so that this is rare
	if !j.fits(room, bytes) {
		return errFull
	}
	return nil
}

// prune deletes publications: those that are too old, and, while a room or everything is above its
// limit, the oldest ones of participants who have left. Those of who is there stay even then, since the
// app was told that it may forget them; what finds no room waits in the app.
func (j *Journal) prune(room string, bytes int64) {
	j.pruning.Lock()
	defer j.pruning.Unlock()
	files, err := j.files()
	if err != nil {
		j.cfg.Log.Error("journal not pruned", "error", err)
		return
	}
	now := j.cfg.Now()
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[f.name] = true
		aged := j.isAged(f, now)
		j.mu.Lock()
		need := int64(0)
		if f.room == room {
			need = bytes
		}
		inWay := j.overLocked(f.room, need) > 0 || j.cfg.TotalBytes > 0 && j.total+bytes > j.cfg.TotalBytes
		inWay = inWay && j.last[path.Dir(f.name)] == nil
		unused := j.open[f.name] == 0
		j.mu.Unlock()
		if !unused || !aged && !inWay {
			continue
		}
		if err := j.root.Remove(f.name); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				j.cfg.Log.Error("file of the journal not deleted", "file", f.name, "error", err)
			}
			continue
		}
		j.account(f.room, -f.size)
		j.cfg.Log.Info("file of the journal deleted", "file", f.name, "bytes", f.size, "too_old", aged)
	}
	maps.DeleteFunc(j.aged, func(name string, _ time.Time) bool { return !there[name] })
}

// isAged tells whether a file is too old, which the wall clock has to say twice, far enough apart by the
// monotonic clock: at a start it may be days off. The caller holds pruning.
func (j *Journal) isAged(f file, now time.Time) bool {
	if j.cfg.Keep <= 0 || now.Sub(f.changed) <= j.cfg.Keep {
		delete(j.aged, f.name)
		return false
	}
	first, again := j.aged[f.name]
	if !again {
		j.aged[f.name] = now
	}
	return again && now.Sub(first) >= agedTwice
}

// probe tells whether the folder can be written again.
func (j *Journal) probe(room string) (err error) {
	const name = ".probe"
	content := make([]byte, 64<<10)
	if err := j.reserve(room, int64(len(content))); err != nil {
		return err
	}
	j.pruning.Lock() // one at a time
	defer j.pruning.Unlock()
	f, err := j.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("probe journal: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), j.root.Remove(name)); err != nil {
		return fmt.Errorf("probe journal: %w", err)
	}
	return nil
}

// hold keeps a file from being pruned until the returned function is called.
func (j *Journal) hold(name string) (release func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open[name]++
	return sync.OnceFunc(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.open[name]--; j.open[name] == 0 {
			delete(j.open, name)
		}
	})
}

// setProblem notes in words what keeps a keeper from writing; nil when all is well again.
func (j *Journal) setProblem(k *Keeper, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		delete(j.problems, k)
		return
	}
	j.problems[k] = problemText(err)
}

// syncFolder makes sure that new names in a folder, and in those above it, are on disk.
func (j *Journal) syncFolder(folder string) error {
	for ; ; folder = path.Dir(folder) {
		f, err := j.root.Open(folder)
		if err != nil {
			return fmt.Errorf("open folder of the journal: %w", err)
		}
		err = f.Sync()
		if runtime.GOOS == "windows" {
			err = nil // folders cannot be synced there
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("sync folder of the journal: %w", err)
		}
		if folder == "." {
			return nil
		}
	}
}
