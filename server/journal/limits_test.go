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

	cfg.Keep = 7*time.Hour + 30*time.Minute
	j = mustOpen(t, dir, cfg)
	mustClose(t, j)
	if names, err = Names(dir); err != nil || len(names) != 2 {
		t.Errorf("after %v: %v, %v", cfg.Keep, names, err)
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

func TestOneParticipantHasBoundedPublicationsAndFiles(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir, testConfig())
	k := j.Keeper("demo", "p1")
	for i := range maxWriters {
		id := packet.PublicationID{byte(i), byte(i >> 8), 1}
		appendAll(mustWriter(t, k, id), id, r(0, 1))
	}
	if _, err := k.Publication(header(packet.PublicationID{9, 9, 9})); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	k.Close()
	<-k.done
	if names, err := Names(dir); err != nil || len(names) != maxWriters || len(k.files) != 0 {
		t.Errorf("%d files, %d open, %v", len(names), len(k.files), err)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	cfg := testConfig()
	j := mustOpen(t, t.TempDir(), cfg)
	w := mustWriter(t, j.Keeper("demo", "p1"), one)
	await(t, "the disk was read", func() bool { return loaded(w) })
	p := testPacket(one, 0)
	if got := testing.AllocsPerRun(500, func() { w.Append(p); p.Number++; p.FirstSample += 240 }); got != 0 {
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
		w.Append(p)
		p.Number++
	}
	b.StopTimer()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
