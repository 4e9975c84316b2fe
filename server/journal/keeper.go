package journal

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"gasso/net/packet"
)

const (
	queueRecords = 4096
	queueBytes   = 512 << 10
	wakeAt       = 64 << 10 // queued bytes that don't wait for the next round
	writeEvery   = 100 * time.Millisecond
	retryEvery   = 5 * time.Second // after a write that failed
	maxOpen      = 8               // their files
	idleFile     = time.Minute     // until a file that nothing is written to is closed
)

// Keeper writes the publications of one participant. It has one goroutine and one bounded queue; what
// finds it full is dropped, and is asked for again.
type Keeper struct {
	journal     *Journal
	room        string
	participant string
	before      <-chan struct{} // the participant's earlier keeper has ended
	wake        chan struct{}
	quit        chan struct{}
	closing     sync.Once
	done        chan struct{}

	// State of the goroutine.
	files  []*Writer // with an open file, the one used longest ago first
	failed time.Time // of the last write that failed; zero when all is well
	synced time.Time
	batch  []queued

	mu       sync.Mutex
	kept     bool
	closed   bool
	writers  map[packet.PublicationID]*Writer // in memory
	uses     int64                            // of all of them
	loading  *Writer                          // whose file is being read
	queue    []queued                         // a ring; nil in mode off
	bytes    []byte                           // a ring
	head     int64                            // records queued
	tail     int64                            // records written
	byteHead int64
	byteTail int64
}

// queued is a record in the ring of bytes.
type queued struct {
	writer      *Writer
	number      int64
	offset, end int64 // in bytes queued; modulo queueBytes in the ring
}

// Keeper starts keeping a participant's publications; room and participant name its folder. Close ends
// it.
func (j *Journal) Keeper(room, participant string) *Keeper {
	k := &Keeper{
		journal: j, room: room, participant: participant,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		kept: j.cfg.Mode == ModeAlways, writers: make(map[packet.PublicationID]*Writer),
	}
	if j.cfg.Mode != ModeOff {
		k.queue, k.bytes = make([]queued, queueRecords), make([]byte, queueBytes)
		k.batch = make([]queued, 0, queueRecords)
	}
	k.before = j.follow(k)
	j.running.Go(k.runWrite)
	return k
}

// SetOnAir tells a journal of mode on-air whether to keep what comes from now on.
func (k *Keeper) SetOnAir(live bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.journal.cfg.Mode == ModeOnAir {
		k.kept = live
	}
}

// Close has what is queued written, and returns at once; Journal.Close waits.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.closing.Do(func() { close(k.quit) })
}

func (k *Keeper) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// runWrite writes what is queued until Close.
func (k *Keeper) runWrite() {
	defer close(k.done)
	if k.before != nil {
		<-k.before
	}
	ticker := time.NewTicker(min(k.journal.cfg.Sync, writeEvery))
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-k.wake:
		case <-ticker.C:
		case <-k.quit:
			running = false
		}
		k.work(k.journal.cfg.Now(), !running)
	}
	for len(k.files) > 0 {
		k.closeFile(k.files[0])
	}
	k.journal.ended(k)
}

// work does what is to be done now.
func (k *Keeper) work(now time.Time, last bool) {
	if !k.failed.IsZero() && now.Sub(k.failed) >= retryEvery {
		if err := k.journal.probe(k.room); err != nil {
			k.fail(now, path.Join(k.room, k.participant), err)
		} else {
			k.recover()
		}
	}
	if k.failed.IsZero() {
		k.load(now)
	}
	for k.write(now) {
	}
	if interval := k.journal.cfg.Sync; last || now.Sub(k.synced) >= interval-interval/8 {
		k.synced = now
		k.sync(now)
	}
}

// load reads the files of publications that are new to this process.
func (k *Keeper) load(now time.Time) {
	for {
		k.mu.Lock()
		var next *Writer
		for _, w := range k.writers {
			if !w.loaded && (next == nil || w.lastUse > next.lastUse) {
				next = w
			}
		}
		k.loading = next
		k.mu.Unlock()
		if next == nil {
			return
		}
		if err := next.load(); err != nil {
			k.fail(now, next.name, err)
			k.mu.Lock()
			k.loading = nil
			k.mu.Unlock()
			return
		}
	}
}

// write writes what is queued now; false when that was nothing.
func (k *Keeper) write(now time.Time) bool {
	k.mu.Lock()
	k.batch = k.batch[:0]
	for at := k.tail; at < k.head; at++ {
		q := k.queue[at%queueRecords]
		if !q.writer.loaded && k.failed.IsZero() {
			break // it is newer than this round
		}
		k.batch = append(k.batch, q)
	}
	k.mu.Unlock()
	if len(k.batch) == 0 {
		return false
	}
	for rest := k.batch; len(rest) > 0; {
		n := 1 // records that stand one behind the other, of one publication
		for n < len(rest) && rest[n].writer == rest[0].writer && rest[n].offset == rest[n-1].end &&
			rest[n].end/queueBytes == rest[0].offset/queueBytes {
			n++
		}
		k.writeRecords(rest[:n], now)
		rest = rest[n:]
	}
	k.mu.Lock()
	for _, q := range k.batch {
		q.writer.pending--
	}
	k.tail += int64(len(k.batch))
	k.byteTail = k.batch[len(k.batch)-1].end
	k.mu.Unlock()
	return true
}

// writeRecords writes records that stand one behind the other.
func (k *Keeper) writeRecords(records []queued, now time.Time) {
	w := records[0].writer
	if k.failed.IsZero() {
		begin := records[0].offset % queueBytes
		length := records[len(records)-1].end - records[0].offset
		err := k.use(w)
		if err == nil {
			err = w.write(k.bytes[begin : begin+length])
		}
		if err == nil {
			for _, r := range records {
				addFilling(&w.unsynced, r.number)
			}
			k.journal.written.Add(int64(len(records)))
			return
		}
		k.fail(now, w.name, err)
	}
	k.journal.dropped.Add(int64(len(records)))
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range records {
		addFilling(&w.lost, r.number)
	}
}

// sync puts on disk what was written.
func (k *Keeper) sync(now time.Time) {
	for _, w := range slices.Clone(k.files) {
		if w.unsynced.Empty() {
			if now.Sub(w.used) > idleFile {
				k.closeFile(w)
			}
			continue
		}
		w.used = now
		err := w.file.Sync()
		k.mu.Lock()
		for _, r := range w.unsynced.Ranges() {
			if err == nil {
				addRange(&w.safe, r)
			} else { // what the disk has of them nobody knows: they are asked for again
				addRange(&w.lost, r)
			}
		}
		k.mu.Unlock()
		w.unsynced.Clear()
		if err != nil {
			k.fail(now, w.name, err)
			k.closeFile(w)
		}
	}
}

// use opens a writer's file, for which another one may have to be closed.
func (k *Keeper) use(w *Writer) error {
	if w.file != nil {
		return nil
	}
	if len(k.files) >= maxOpen {
		k.sync(k.journal.cfg.Now())
		if len(k.files) >= maxOpen {
			k.closeFile(k.files[0])
		}
	}
	if err := w.openFile(); err != nil {
		return err
	}
	k.files = append(k.files, w)
	k.mu.Lock()
	w.opened = true
	k.mu.Unlock()
	return nil
}

// closeFile closes a writer's file.
func (k *Keeper) closeFile(w *Writer) {
	k.files = slices.DeleteFunc(k.files, func(other *Writer) bool { return other == w })
	if err := w.file.Close(); err != nil {
		k.journal.cfg.Log.Error("file of the journal not closed", "file", w.name, "error", err)
	}
	w.file = nil
	w.release()
	k.mu.Lock()
	w.opened = false
	k.mu.Unlock()
}

// fail notes that something could not be written. Live media goes on; it is tried again later.
func (k *Keeper) fail(now time.Time, name string, err error) {
	if k.failed.IsZero() {
		k.journal.cfg.Log.Error("journal not written", "file", name, "error", err)
	}
	k.failed = now
	k.journal.setProblem(k, err)
}

// recover has what was lost asked for again, now that writing works.
func (k *Keeper) recover() {
	k.journal.cfg.Log.Info("journal is written again", "room", k.room, "participant", k.participant)
	k.failed = time.Time{}
	k.journal.setProblem(k, nil)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.writers {
		for _, r := range w.lost.Ranges() {
			w.received.Remove(r)
		}
		w.lost.Clear()
	}
}

func problemText(err error) string {
	switch {
	case errors.Is(err, errFull):
		return "The journal is full: from now on it has gaps. Delete old shows, or raise journal.room-mb or journal.total-mb."
	case errors.Is(err, syscall.ENOSPC):
		return "The disk is full: from now on the journal has gaps. Make room on the disk of the data folder."
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "The journal's folder cannot be written: from now on the journal has gaps. Make the data folder writable."
	}
	return "The journal cannot be written: from now on it has gaps. The server's log says why."
}
