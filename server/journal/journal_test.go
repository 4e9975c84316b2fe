package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gasso/net/backfill"
	"gasso/net/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func testConfig() Config {
	return Config{Mode: ModeAlways, RoomBytes: 1 << 30, TotalBytes: 1 << 30, Sync: time.Millisecond}
}

func mustOpen(t *testing.T, dir string, cfg Config) *Journal {
	t.Helper()
	j, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func mustClose(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func header(id packet.PublicationID) Header {
	return Header{Publication: id, Generation: 3, Channels: 2, FrameSamples: 240, Music: true}
}

func mustWriter(t *testing.T, k *Keeper, id packet.PublicationID) *Writer {
	t.Helper()
	w, err := k.Publication(header(id))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func testPacket(id packet.PublicationID, number int64) *packet.Packet {
	return &packet.Packet{
		Publication: id, Number: number, FirstSample: 1000 + 240*number, Samples: 240,
		Payload: bytes.Repeat([]byte{byte(number), byte(number >> 8), 5}, 20),
	}
}

func appendAll(w *Writer, id packet.PublicationID, numbers ...backfill.Range) {
	for _, r := range numbers {
		for n := r.First; n <= r.Last; n++ {
			w.keeper.Append(testPacket(id, n))
		}
	}
}

// sumOf is the sum of packets as docs/operations.md defines it.
func sumOf(id packet.PublicationID, numbers ...backfill.Range) (sum [32]byte) {
	h := sha256.New()
	for _, r := range numbers {
		for n := r.First; n <= r.Last; n++ {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
			h.Write(testPacket(id, n).Payload)
		}
	}
	h.Sum(sum[:0])
	return sum
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func safe(w *Writer) (numbers backfill.Set) {
	w.Safe(&numbers)
	return numbers
}

func missing(w *Writer, last int64) []backfill.Range {
	var set backfill.Set
	w.Missing(backfill.Range{First: 0, Last: last}, &set)
	return set.Ranges()
}

func loaded(w *Writer) bool {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	return w.loaded
}

func summarize(t *testing.T, dir, name string) *Summary {
	t.Helper()
	s, err := Summarize(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var one = packet.PublicationID{1, 2, 3}

const oneName = "demo/p1/0102030000000000.journal"

func r(first, last int64) backfill.Range { return backfill.Range{First: first, Last: last} }

func TestWhatWasAppendedIsThereAfterARestartAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, testConfig())
	w := mustWriter(t, j.Keeper("demo", "p1"), one)
	appendAll(w, one, r(0, 99), r(150, 199), r(90, 99)) // some twice
	await(t, "packets are on disk", func() bool { s := safe(w); return s.Len() == 150 })
	mustClose(t, j)

	j = mustOpen(t, dir, testConfig())
	w = mustWriter(t, j.Keeper("demo", "p1"), one)
	appendAll(w, one, r(200, 249)) // before the disk was read, perhaps
	await(t, "the disk was read", func() bool { return loaded(w) })
	if got := missing(w, 300); !slices.Equal(got, []backfill.Range{r(100, 149), r(250, 300)}) {
		t.Errorf("missing %v", got)
	}
	if n, sample := w.Newest(); n != 249 || sample != 1000+240*249 {
		t.Errorf("newest %d at %d", n, sample)
	}
	appendAll(w, one, r(100, 149))
	await(t, "packets are on disk", func() bool { s := safe(w); return s.Len() == 250 })
	mustClose(t, j)
	s := summarize(t, dir, oneName)
	if s.SHA256 != sumOf(one, r(0, 249)) || s.Packets != 250 || len(s.Missing()) != 0 || s.Damaged+s.Torn != 0 {
		t.Errorf("%d packets, missing %v, sum %x", s.Packets, s.Missing(), s.SHA256)
	}
	if h := s.Header; h.Room != "demo" || h.ParticipantID != "p1" || h.Publication != one || h.Generation != 3 || !h.Music || h.FrameSamples != 240 {
		t.Errorf("header %+v", h)
	}
	order := []int64{}
	if _, err := Read(dir, oneName, func(p *packet.Packet) error {
		want := testPacket(one, p.Number)
		if !bytes.Equal(p.Payload, want.Payload) || p.FirstSample != want.FirstSample || p.Samples != 240 || p.Publication != one || p.Generation != 3 {
			t.Fatalf("packet %d came back changed", p.Number)
		}
		order = append(order, p.Number)
		return nil
	}); err != nil || len(order) != 250 || order[249] != 149 {
		t.Errorf("%d packets read, %v", len(order), err)
	}
}

// written makes a journal of one publication and returns its file.
func written(t *testing.T, dir string, numbers ...backfill.Range) string {
	t.Helper()
	j := mustOpen(t, dir, testConfig())
	appendAll(mustWriter(t, j.Keeper("demo", "p1"), one), one, numbers...)
	mustClose(t, j)
	return filepath.Join(dir, filepath.FromSlash(oneName))
}

func TestATornEndIsCutOffWhereverItIs(t *testing.T) {
	dir := t.TempDir()
	file := written(t, dir, r(0, 9))
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	record := packetRecord(testPacket(one, 0))
	for cut := 1; cut < record; cut += 7 {
		if err := os.WriteFile(file, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j := mustOpen(t, dir, testConfig())
		w := mustWriter(t, j.Keeper("demo", "p1"), one)
		await(t, "the disk was read", func() bool { return loaded(w) })
		if got := missing(w, 9); !slices.Equal(got, []backfill.Range{r(9, 9)}) {
			t.Fatalf("cut by %d: missing %v", cut, got)
		}
		appendAll(w, one, r(9, 9))
		mustClose(t, j)
		if s := summarize(t, dir, oneName); s.SHA256 != sumOf(one, r(0, 9)) || s.Torn+s.Damaged != 0 {
			t.Fatalf("cut by %d: torn %d, damaged %d", cut, s.Torn, s.Damaged)
		}
	}
}

func TestDamageInTheMiddleCostsItsRecordsAlone(t *testing.T) {
	dir := t.TempDir()
	file := written(t, dir, r(0, 99))
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	record := packetRecord(testPacket(one, 0))
	at := len(content) - 50*record + 30 // in the body of number 50,
	content[at] ^= 1
	content[at+10*record-26] ^= 0x40 // in the length of number 60
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := summarize(t, dir, oneName)
	if !slices.Equal(s.Missing(), []backfill.Range{r(50, 50), r(60, 60)}) || s.Damaged != int64(2*record) {
		t.Fatalf("missing %v, %d bytes damaged", s.Missing(), s.Damaged)
	}
	j := mustOpen(t, dir, testConfig())
	w := mustWriter(t, j.Keeper("demo", "p1"), one)
	await(t, "the disk was read", func() bool { return loaded(w) })
	if got := missing(w, 99); len(got) != 2 {
		t.Fatalf("missing %v", got)
	}
	appendAll(w, one, r(50, 50), r(60, 60))
	mustClose(t, j)
	if s := summarize(t, dir, oneName); s.SHA256 != sumOf(one, r(0, 99)) {
		t.Error("not healed")
	}
}

func TestAFileWithoutAHeaderIsPutAside(t *testing.T) {
	dir := t.TempDir()
	file := written(t, dir, r(0, 3))
	if err := os.WriteFile(file, []byte("GIF89a"), 0o600); err != nil {
		t.Fatal(err)
	}
	written(t, dir, r(0, 5))
	if s := summarize(t, dir, oneName); s.SHA256 != sumOf(one, r(0, 5)) {
		t.Error("not written anew")
	}
	if _, err := Summarize(dir, strings.Replace(oneName, ".journal", "-damaged.journal", 1)); !errors.Is(err, errNoHeader) {
		t.Errorf("the damaged file: %v", err)
	}
}

func TestOneUnreadableFileStopsNoOther(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, filepath.FromSlash(oneName)) // a folder where a file should be
	for _, name := range []string{bad, strings.Replace(bad, suffix, "-damaged"+suffix, 1)} {
		if err := os.MkdirAll(filepath.Join(name, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	j := mustOpen(t, dir, testConfig())
	k := j.Keeper("demo", "p1")
	two := packet.PublicationID{2}
	a, b := mustWriter(t, k, one), mustWriter(t, k, two)
	appendAll(a, one, r(0, 9))
	appendAll(b, two, r(0, 9))
	await(t, "both are on disk", func() bool { s, u := safe(a), safe(b); return s.Len() == 10 && u.Len() == 10 })
	if problem := j.Problem("demo"); problem != "" || j.dropped.Load() != 0 {
		t.Errorf("the problem is %q, %d packets were dropped", problem, j.dropped.Load())
	}
	if _, err := os.Stat(filepath.Join(dir, "demo/p1/0102030000000000-damaged-2.journal/full")); err != nil {
		t.Errorf("what was put aside: %v", err)
	}
}

func TestAComputerOutOfFilesPutsNothingAside(t *testing.T) {
	for err, passing := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.EROFS: true, syscall.EIO: false, syscall.EISDIR: false, errNoHeader: false, os.ErrPermission: false,
	} {
		if saysNothingOfFile(&os.PathError{Op: "open", Err: err}) != passing {
			t.Errorf("%v is taken for one of the file, or not", err)
		}
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	cfg := testConfig()
	cfg.Sync = time.Hour
	j := mustOpen(t, t.TempDir(), cfg)
	k := j.Keeper("demo", "p1")
	w := mustWriter(t, k, one)
	await(t, "the disk was read", func() bool { return loaded(w) })
	k.mu.Lock() // the goroutine cannot take anything
	for n := range int64(queueRecords + 10) {
		p := testPacket(one, n)
		if k.pushLocked(w, p) != (n < queueRecords) {
			t.Errorf("packet %d", n)
			break
		}
	}
	k.mu.Unlock()
	mustClose(t, j)
}

func TestAFullDiskStopsNothingAndHealsAfterwards(t *testing.T) {
	dir := t.TempDir()
	c := &clock{now: time.Now()}
	cfg := testConfig()
	cfg.RoomBytes, cfg.Now = 4000, c.Now // some 40 packets
	j := mustOpen(t, dir, cfg)
	k := j.Keeper("demo", "p1")
	w := mustWriter(t, k, one)
	for n := range int64(200) {
		w.keeper.Append(testPacket(one, n))
		if n%10 == 9 {
			k.wakeUp()
			await(t, "the queue is empty", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.head == k.tail })
		}
	}
	if problem := j.Problem("demo"); !strings.Contains(problem, "journal is full") || j.Problem("other") != "" || j.Status().Problem != problem {
		t.Errorf("the problem is %q", problem)
	}
	if got := missing(w, 199); len(got) != 0 {
		t.Errorf("%v is asked for while nothing can be written", got)
	}
	c.advance(time.Second)
	await(t, "what fits is on disk", func() bool { k.wakeUp(); s := safe(w); return s.Len() > 20 })
	if s := safe(w); s.Len() > 60 || s.Len()+j.dropped.Load() != 200 {
		t.Errorf("%d packets on disk, %d dropped", s.Len(), j.dropped.Load())
	}
	j.mu.Lock()
	j.cfg.RoomBytes = 1 << 30
	j.mu.Unlock()
	c.advance(retryEvery)
	await(t, "what was lost is missing", func() bool { k.wakeUp(); return len(missing(w, 199)) > 0 })
	if problem := j.Problem("demo"); problem != "" {
		t.Errorf("the problem stays: %q", problem)
	}
	for _, gap := range missing(w, 199) {
		appendAll(w, one, gap)
	}
	mustClose(t, j)
	if s := summarize(t, dir, oneName); s.SHA256 != sumOf(one, r(0, 199)) {
		t.Errorf("missing %v", s.Missing())
	}
}

func TestProblemsAreSaidInWords(t *testing.T) {
	for err, want := range map[error]string{
		errFull: "journal.total-mb", syscall.ENOSPC: "Make room", syscall.EROFS: "writable", os.ErrPermission: "writable", errors.New("x"): "log",
	} {
		if text := problemText(err); !strings.Contains(text, want) {
			t.Errorf("%v: %q", err, text)
		}
	}
}
