package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gasso/net/backfill"
	"gasso/net/packet"
)

func TestOldestEndedPublicationsGoFirst(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig()
	j := mustOpen(t, dir, cfg)
	for i := range byte(4) {
		k := j.Keeper("demo", "p1")
		id := packet.PublicationID{i}
		appendAll(mustWriter(t, k, id), id, r(0, 99))
		k.Close()
		<-k.done
		old := time.Now().Add(-time.Duration(10-i) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "demo/p1", id.String()+suffix), old, old); err != nil {
			t.Fatal(err)
		}
	}
	bytes := j.Status().Bytes
	mustClose(t, j)

	cfg.RoomBytes = bytes
	j = mustOpen(t, dir, cfg)
	k := j.Keeper("demo", "p2")
	appendAll(mustWriter(t, k, one), one, r(0, 99))
	mustClose(t, j)
	names, err := Names(dir)
	if err != nil || len(names) != 4 || slices.Contains(names, "demo/p1/0000000000000000.journal") || !slices.Contains(names, "demo/p2/0102030000000000.journal") {
		t.Errorf("kept %v, %v", names, err)
	}
}

// aside makes a publication of a participant who has left, so old by the clock of files.
func aside(t *testing.T, j *Journal, participant string, id packet.PublicationID, age time.Duration) (name string) {
	t.Helper()
	k := j.Keeper("demo", participant)
	appendAll(mustWriter(t, k, id), id, r(0, 99))
	k.Close()
	<-k.done
	name = "demo/" + participant + "/" + id.String() + suffix
	old := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(j.root.Name(), name), old, old); err != nil {
		t.Fatal(err)
	}
	return name
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	names, err := Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAWrongClockAtAStartDeletesNothing(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig()
	j := mustOpen(t, dir, cfg)
	aside(t, j, "p1", one, time.Hour)
	mustClose(t, j)

	ahead := &clock{now: time.Now().Add(90 * 24 * time.Hour)}
	cfg.Keep, cfg.Now = 30*24*time.Hour, ahead.Now
	j = mustOpen(t, dir, cfg)
	j.prune("", 0)
	if len(namesIn(t, dir)) != 1 {
		t.Fatal("it is gone at the start")
	}
	ahead.advance(agedTwice / 2)
	j.prune("", 0)
	ahead.advance(-90 * 24 * time.Hour) // set right
	j.prune("", 0)
	ahead.advance(90 * 24 * time.Hour) // and wrong again
	j.prune("", 0)
	ahead.advance(agedTwice - time.Minute)
	j.prune("", 0)
	if len(namesIn(t, dir)) != 1 {
		t.Fatal("it is gone though the clock was right in between")
	}
}

func TestWhatIsTooOldGoesWhenTwoLooksAgree(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig()
	c := &clock{now: time.Now()}
	cfg.Keep, cfg.Now = 48*time.Hour, c.Now
	j := mustOpen(t, dir, cfg)
	aside(t, j, "p1", one, 49*time.Hour)
	young := aside(t, j, "p1", packet.PublicationID{2}, 20*time.Hour)
	j.prune("", 0)
	c.advance(agedTwice)
	j.prune("", 0)
	if names := namesIn(t, dir); !slices.Equal(names, []string{young}) {
		t.Errorf("kept %v", names)
	}
	if j.prune("", 0); len(j.aged) != 0 {
		t.Errorf("remembered are %v", j.aged)
	}
}

func TestWhatWasPromisedToWhoIsThereStaysWhenTheRoomIsFull(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig()
	c := &clock{now: time.Now()}
	cfg.Now = c.Now
	j := mustOpen(t, dir, cfg)
	old := aside(t, j, "p1", packet.PublicationID{1}, 10*time.Hour) // the oldest, of somebody who comes back
	left := aside(t, j, "p2", packet.PublicationID{2}, 5*time.Hour)
	k := j.Keeper("demo", "p1")
	j.mu.Lock()
	j.cfg.RoomBytes = j.total + 2000
	j.mu.Unlock()
	appendAll(mustWriter(t, k, one), one, r(0, 99))
	await(t, "the new one is written", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.head == k.tail })
	if names := namesIn(t, dir); slices.Contains(names, left) || !slices.Contains(names, old) || !slices.Contains(names, oneName) {
		t.Errorf("kept %v", names)
	}
	two := packet.PublicationID{9}
	appendAll(mustWriter(t, k, two), two, r(0, 99))
	await(t, "nothing more may go", func() bool { return j.Problem("demo") != "" })
	if names := namesIn(t, dir); !slices.Contains(names, old) || !slices.Contains(names, oneName) {
		t.Errorf("kept %v", names)
	}
	if problem := j.Problem("demo"); problem != problemText(errFull) {
		t.Errorf("the problem is %q", problem)
	}
	if told := safe(mustWriter(t, k, two)); told.Len() == 100 {
		t.Error("all is told to be safe though it found no room")
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode   Mode
		onAir  bool
		onDisk bool
	}{{ModeAlways, false, true}, {ModeOnAir, false, false}, {ModeOnAir, true, true}, {ModeOff, true, false}} {
		dir := t.TempDir()
		cfg := testConfig()
		cfg.Mode = c.mode
		j := mustOpen(t, dir, cfg)
		k := j.Keeper("demo", "p1")
		k.SetOnAir(c.onAir)
		w := mustWriter(t, k, one)
		appendAll(w, one, r(0, 9))
		await(t, "the app may forget", func() bool { s := safe(w); return s.Len() == 10 })
		await(t, "the disk was read", func() bool { return loaded(w) })
		if got := missing(w, 12); !slices.Equal(got, []backfill.Range{r(10, 12)}) || w.Kept() != c.onDisk {
			t.Errorf("%s: missing %v, kept %v", c.mode, got, w.Kept())
		}
		mustClose(t, j)
		if names, err := Names(dir); err != nil || (len(names) == 1) != c.onDisk {
			t.Errorf("%s, on air %v: files %v, %v", c.mode, c.onAir, names, err)
		}
	}
}

func TestALongShowMakesMorePublicationsThanMemoryHolds(t *testing.T) {
	const publications = 2000
	dir := t.TempDir()
	j := mustOpen(t, dir, testConfig())
	k := j.Keeper("demo", "p1")
	first := mustWriter(t, k, packet.PublicationID{0, 0, 1}) // as backfill holds it
	idle := func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, w := range k.writers {
			if !w.loaded {
				return false
			}
		}
		return k.head == k.tail && len(k.writers) <= maxWriters
	}
	for i := range publications {
		id := packet.PublicationID{byte(i), byte(i >> 8), 1}
		appendAll(mustWriter(t, k, id), id, r(0, 1))
		if i%100 == 99 {
			await(t, "all is written", idle)
		}
	}
	if k.writers[packet.PublicationID{0, 0, 1}] != nil {
		t.Error("the first is in memory still")
	}
	await(t, "the first one is known again", func() bool { s := safe(first); return s.Len() == 2 })
	if got := missing(first, 3); !slices.Equal(got, []backfill.Range{r(2, 3)}) {
		t.Errorf("missing %v", got)
	}
	appendAll(first, packet.PublicationID{0, 0, 1}, r(2, 3))
	k.Close()
	<-k.done
	if names := namesIn(t, dir); len(names) != publications || len(k.files) != 0 || j.dropped.Load() != 0 {
		t.Errorf("%d files, %d open, %d dropped", len(names), len(k.files), j.dropped.Load())
	}
	if s := summarize(t, dir, "demo/p1/0000010000000000.journal"); s.SHA256 != sumOf(packet.PublicationID{0, 0, 1}, r(0, 3)) {
		t.Errorf("of the first %v are missing", s.Missing())
	}
}

func TestAPublicationIsRefusedOnlyWhileAllOthersAreBusy(t *testing.T) {
	j := mustOpen(t, t.TempDir(), testConfig())
	k := j.Keeper("demo", "p1")
	k.mu.Lock() // the goroutine gets nothing done
	for i := range maxWriters {
		w := &Writer{keeper: k, header: header(packet.PublicationID{byte(i), byte(i >> 8)}), loaded: true, pending: 1}
		k.writers[w.header.Publication] = w
	}
	k.mu.Unlock()
	if _, err := k.Publication(header(packet.PublicationID{9, 9, 9})); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	k.mu.Lock()
	k.writers[packet.PublicationID{7}].pending = 0
	k.mu.Unlock()
	mustWriter(t, k, packet.PublicationID{9, 9, 9})
}

func TestAppendAllocatesNothing(t *testing.T) {
	cfg := testConfig()
	j := mustOpen(t, t.TempDir(), cfg)
	w := mustWriter(t, j.Keeper("demo", "p1"), one)
	await(t, "the disk was read", func() bool { return loaded(w) })
	p := testPacket(one, 0)
	if got := testing.AllocsPerRun(500, func() { w.keeper.Append(p); p.Number++; p.FirstSample += 240 }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzScan(f *testing.F) {
	dir := f.TempDir()
	j, err := Open(dir, testConfig())
	if err != nil {
		f.Fatal(err)
	}
	w, err := j.Keeper("demo", "p1").Publication(header(one))
	if err != nil {
		f.Fatal(err)
	}
	appendAll(w, one, r(0, 5))
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(oneName)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(content[:len(content)-3])
	f.Add(slices.Concat(content, []byte{0, 1, 2}, content))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := scan(bytes.NewReader(b), func(p *packet.Packet, _ int64) error {
			if p.Number < 0 || p.Number > packet.MaxNumber || p.Samples < 1 || len(p.Payload) < 1 || len(p.Payload) > maxPayload {
				t.Errorf("read %+v", p)
			}
			return nil
		})
		if err == nil && (s.Intact+s.Torn != int64(len(b)) || s.Damaged > s.Intact) {
			t.Errorf("%d bytes: %+v", len(b), s)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(b.TempDir(), testConfig())
	if err != nil {
		b.Fatal(err)
	}
	w, err := j.Keeper("demo", "p1").Publication(header(one))
	if err != nil {
		b.Fatal(err)
	}
	p := testPacket(one, 0)
	b.ReportAllocs()
	for b.Loop() {
		w.keeper.Append(p)
		p.Number++
	}
	b.StopTimer()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
