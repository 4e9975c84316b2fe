package journal

import (
	"errors"
	"path"

	"gasso/net/backfill"
	"gasso/net/packet"
)

// maxWriters bounds the publications of one participant in memory; backfill asks about fewer at once.
const maxWriters = 320

// ErrTooMany is returned for a publication while so many others of its participant are being written
// or read that none of them can be put out of memory.
var ErrTooMany = errors.New("too many publications of one participant are being written")

// Publication returns the writer of a publication, over restarts the same file. It returns at once: what
// is on disk already is read by the keeper's goroutine, until when nothing counts as missing.
func (k *Keeper) Publication(h Header) (*Writer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.writers[h.Publication]; w != nil {
		return k.usedLocked(w), nil
	}
	if len(k.writers) >= maxWriters && !k.putOutLocked() {
		return nil, ErrTooMany
	}
	now := k.journal.cfg.Now()
	h.Version, h.Room, h.ParticipantID = formatVersion, k.room, k.participant
	h.Created = now.UTC()
	if k.journal.cfg.RoomNS != nil {
		h.RoomNS = k.journal.cfg.RoomNS(now)
	}
	w := &Writer{
		keeper: k, header: h, name: path.Join(k.room, k.participant, h.Publication.String()+suffix),
		newest: -1, loaded: k.queue == nil,
	}
	k.writers[h.Publication] = w
	k.wakeUp()
	return k.usedLocked(w), nil
}

// usedLocked notes that a writer is used.
func (k *Keeper) usedLocked(w *Writer) *Writer {
	k.uses++
	w.lastUse = k.uses
	return w
}

// putOutLocked takes the writer out of memory that was not used for the longest time, with no file open
// and so nothing unsynced. What it knows is read from its file when it is used again.
func (k *Keeper) putOutLocked() bool {
	var oldest *Writer
	for _, w := range k.writers {
		if !w.opened && w.pending == 0 && w != k.loading && (oldest == nil || w.lastUse < oldest.lastUse) {
			oldest = w
		}
	}
	if oldest == nil {
		return false
	}
	delete(k.writers, oldest.header.Publication)
	oldest.received, oldest.safe, oldest.lost = backfill.Set{}, backfill.Set{}, backfill.Set{}
	oldest.loaded = k.queue == nil
	return true
}

// inMemoryLocked is the writer in memory of w's publication: w, which may have to come back there.
func (k *Keeper) inMemoryLocked(w *Writer) *Writer {
	if other := k.writers[w.header.Publication]; other != nil {
		return k.usedLocked(other)
	}
	if len(k.writers) >= maxWriters {
		k.putOutLocked()
	}
	k.writers[w.header.Publication] = w
	k.wakeUp()
	return k.usedLocked(w)
}

// Append queues a packet of a publication to be written, once for each number. It never blocks and
// allocates nothing as long as numbers come in order; what finds the queue full is dropped, counted and
// so still missing. Packets of publications that are not in memory are not taken.
func (k *Keeper) Append(p *packet.Packet) {
	if !storable(p) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.writers[p.Publication]
	if w == nil {
		return
	}
	k.usedLocked(w)
	if p.Number > w.newest {
		w.newest, w.newestSample = p.Number, p.FirstSample
	}
	if k.closed || w.received.Has(p.Number) {
		return
	}
	switch {
	case !k.kept:
		addFilling(&w.safe, p.Number) // nobody wants it kept
	case !k.pushLocked(w, p):
		k.journal.dropped.Add(1)
		return
	}
	addFilling(&w.received, p.Number)
	if k.byteHead-k.byteTail >= wakeAt {
		k.wakeUp()
	}
}

// pushLocked queues the record of a packet; false when there is no room.
func (k *Keeper) pushLocked(w *Writer, p *packet.Packet) bool {
	size := int64(packetRecord(p))
	offset := k.byteHead
	if rest := queueBytes - offset%queueBytes; rest < size {
		offset += rest // a record never wraps
	}
	if k.head-k.tail == queueRecords || offset+size-k.byteTail > queueBytes {
		return false
	}
	at := offset % queueBytes
	encodePacket(k.bytes[at:at+size], p)
	k.queue[k.head%queueRecords] = queued{w, p.Number, offset, offset + size}
	w.pending++
	k.head++
	k.byteHead = offset + size
	return true
}
