package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"gasso/net/backfill"
	"gasso/net/packet"
)

func segmentsOf(t *testing.T, f *Folder) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(f.path, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestOldPacketsGoToFilesAndOutliveTheProgram(t *testing.T) {
	base := t.TempDir()
	f := folder(t, base)
	s := idle(t, Config{Folder: f, Packets: 1000})
	w := &writer{}
	begin(t, s, someID)
	appendAll(s, someID, 0, 500) // 2.5 s
	s.look(w, false)
	if len(segmentsOf(t, f)) != 0 {
		t.Error("young packets are in files")
	}
	appendAll(s, someID, 501, 899)
	s.Durable(someID, backfill.Range{First: 0, Last: 99})
	s.look(w, false)
	if s.written != 899-600+1 || len(segmentsOf(t, f)) != 1 {
		t.Errorf("%d are written in %v", s.written, segmentsOf(t, f))
	}
	s.SetCut(true)
	s.look(w, false)
	if s.written != 900 {
		t.Errorf("%d are written", s.written)
	}
	for n := int64(900); n < 5000; n += 100 { // far beyond memory
		appendAll(s, someID, n, n+99)
		s.look(w, false)
	}
	wantFound(t, s, someID, 100, 4999)
	other := packet.PublicationID{4, 4}
	begin(t, s, other)
	appendAll(s, other, 0, 9)
	shut(t, s)

	s = idle(t, Config{Folder: folder(t, base)})
	wantFound(t, s, someID, 100, 4999)
	wantFound(t, s, other, 0, 9)
	third := packet.PublicationID{5, 5}
	begin(t, s, third)
	appendAll(s, third, 0, 9)
	want := about(someID)
	want.First, want.Last, want.LastSample, want.Ended = 100, 4999, testPacket(someID, 4999).FirstSample, true
	if got := s.Holdings(); len(got) != 3 || got[0] != want || got[1].Publication != other || !got[1].Ended || got[2].Ended {
		t.Errorf("holdings are %+v, want %+v first", got, want)
	}
	if st := s.Status(); st.Packets != 4920 || st.Lost != 0 || st.Bytes < 4900*100 || st.Reading {
		t.Errorf("status is %+v", st)
	}
	for _, id := range []packet.PublicationID{someID, other, third} {
		s.Durable(id, backfill.Range{First: 0, Last: packet.MaxNumber})
	}
	s.look(w, false)
	if left := segmentsOf(t, s.cfg.Folder); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	path := s.cfg.Folder.path
	shut(t, s)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty folder is there: %v", err)
	}
}

func TestFilesAreBoundedAndTheOldestGoes(t *testing.T) {
	const limit = 1 << 20
	s := idle(t, Config{Folder: folder(t, t.TempDir()), FileBytes: limit, Packets: 200})
	defer shut(t, s)
	s.SetCut(true)
	begin(t, s, someID)
	for n := int64(0); n < 20_000; n += 100 {
		appendAll(s, someID, n, n+99)
		s.look(&writer{}, false)
		if st := s.Status(); st.Bytes > limit || st.Bytes != s.store.total || st.Packets+st.Lost != n+100 {
			t.Fatalf("after %d the status is %+v", n, st)
		}
	}
	st := s.Status()
	if st.Packets < limit*9/10/150 {
		t.Errorf("only %d packets are kept in %d bytes", st.Packets, st.Bytes)
	}
	wantFound(t, s, someID, 20_000-st.Packets, 19_999)
	var onDisk int64
	for _, path := range segmentsOf(t, s.cfg.Folder) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size()
	}
	if onDisk != st.Bytes {
		t.Errorf("%d bytes are on disk, the status says %d", onDisk, st.Bytes)
	}
}

// recordsIn writes some packets into one file and returns it with the end of each packet's record.
func recordsIn(t *testing.T, packets int64) (data []byte, ends []int) {
	t.Helper()
	s := idle(t, Config{Folder: folder(t, t.TempDir())})
	begin(t, s, someID)
	appendAll(s, someID, 0, packets-1)
	shut(t, s)
	paths := segmentsOf(t, s.cfg.Folder)
	if len(paths) != 1 {
		t.Fatalf("files are %v", paths)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; {
		body, _, end := nextRecord(data[at:])
		if body == nil {
			return data, ends
		}
		at += end
		if body[0] == kindPacket {
			ends = append(ends, at)
		}
	}
}

// left opens a spool over a file.
func left(t *testing.T, data []byte) *Spool {
	t.Helper()
	f := folder(t, t.TempDir())
	if err := os.WriteFile(filepath.Join(f.path, segmentName(3)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return idle(t, Config{Folder: f})
}

func TestATornTailCostsOnlyTheLastPacket(t *testing.T) {
	data, ends := recordsIn(t, 4)
	for size := range len(data) + 1 {
		s := left(t, data[:size])
		whole := 0
		for whole < len(ends) && ends[whole] <= size {
			whole++
		}
		if got := found(t, s, someID); len(got) != whole {
			t.Fatalf("cut at %d of %d: found %v, want %d", size, len(data), got, whole)
		}
		next := packet.PublicationID{9}
		begin(t, s, next)
		appendAll(s, next, 0, 2)
		s.look(&writer{}, true)
		wantFound(t, s, next, 0, 2)
		if got := found(t, s, someID); len(got) != whole {
			t.Fatalf("cut at %d: after writing found %v", size, got)
		}
		shut(t, s)
	}
}

func TestDamageCostsOnlyWhatItHit(t *testing.T) {
	data, ends := recordsIn(t, 4)
	for at := range data {
		damaged := slices.Clone(data)
		damaged[at] ^= 0x55
		s := left(t, damaged)
		hit := slices.IndexFunc(ends, func(end int) bool { return at < end })
		got := found(t, s, someID)
		if inPacket := hit > 0 || at >= 22+headerBytes; len(got) < len(ends)-1 || inPacket && slices.Contains(got, int64(hit)) {
			t.Fatalf("damage at %d: found %v", at, got)
		}
		if h := s.Holdings(); len(h) != 1 || h[0].FrameSamples != frame || h[0].Channels < 1 || h[0].Channels > 2 || h[0].Generation != 7 {
			t.Fatalf("damage at %d: holdings are %+v", at, h)
		}
		shut(t, s)
	}
}

func TestDamageAfterReadingIsGivenUp(t *testing.T) {
	data, ends := recordsIn(t, 12)
	s := left(t, data)
	defer shut(t, s)
	damaged := slices.Clone(data)
	damaged[ends[4]-1] ^= 1
	if err := os.WriteFile(filepath.Join(s.cfg.Folder.path, segmentName(3)), damaged[:ends[8]], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found(t, s, someID); !slices.Equal(got, []int64{0, 1, 2, 3, 5, 6, 7, 8}) {
		t.Errorf("found %v", got)
	}
	if st := s.Status(); st.Packets != 8 || st.Lost != 4 {
		t.Errorf("status is %+v", st)
	}
	if err := os.Remove(filepath.Join(s.cfg.Folder.path, segmentName(3))); err != nil {
		t.Fatal(err)
	}
	s.store.cached = nil
	if got := found(t, s, someID); len(got) != 0 {
		t.Errorf("found %v in a file that is gone", got)
	}
}

// failing is a file of which only some bytes can be written.
type failing struct {
	*os.File
	room *int
}

func (f failing) Write(b []byte) (int, error) {
	n := min(*f.room, len(b))
	*f.room -= n
	if n, err := f.File.Write(b[:n]); err != nil || n == len(b) {
		return n, err
	}
	return n, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

func TestAFullDiskCostsNothingThatMemoryHolds(t *testing.T) {
	s := idle(t, Config{Folder: folder(t, t.TempDir()), Packets: 1000})
	defer shut(t, s)
	room := 5000
	create := s.store.create
	s.store.create = func(name string) (segmentFile, error) {
		f, err := create(name)
		if err != nil {
			return nil, err
		}
		return failing{f.(*os.File), &room}, nil
	}
	s.SetCut(true)
	w := &writer{}
	begin(t, s, someID)
	appendAll(s, someID, 0, 9)
	s.look(w, false)
	if st := s.Status(); st.Problem != "" || st.Bytes == 0 {
		t.Fatalf("status is %+v", st)
	}
	appendAll(s, someID, 10, 500)
	s.look(w, false)
	if st := s.Status(); st.Problem != diskFull || st.Lost != 0 || st.Bytes != s.store.segments[0].size {
		t.Fatalf("with a full disk the status is %+v", st)
	}
	wantFound(t, s, someID, 0, 500)
	for range pauseLooks - 1 {
		s.look(w, false)
	}
	if n := len(segmentsOf(t, s.cfg.Folder)); n != 1 || w.pause != 1 {
		t.Errorf("there are %d files, the pause is %d", n, w.pause)
	}
	s.look(w, false) // tries again
	if s.Status().Problem != diskFull || w.pause != pauseLooks {
		t.Errorf("the problem is %q", s.Status().Problem)
	}
	room = 1 << 20
	for range pauseLooks {
		s.look(w, false)
	}
	if st := s.Status(); st.Problem != "" || st.Lost != 0 || s.written != 501 {
		t.Errorf("with room again the status is %+v", st)
	}
	wantFound(t, s, someID, 0, 500)
}

func TestAFolderThatIsGoneIsSaid(t *testing.T) {
	s := idle(t, Config{Folder: folder(t, t.TempDir())})
	s.store.create = func(string) (segmentFile, error) { return nil, os.ErrPermission }
	s.SetCut(true)
	begin(t, s, someID)
	appendAll(s, someID, 0, 9)
	s.look(&writer{}, false)
	if st := s.Status(); st.Problem != notWritable || st.Packets != 10 {
		t.Errorf("status is %+v", st)
	}
	wantFound(t, s, someID, 0, 9)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzRecover(f *testing.F) {
	data := appendPublication(nil, &backfill.Have{Publication: someID, Generation: 7, Channels: 2, FrameSamples: frame})
	for n := range int64(3) {
		data = appendPacket(data, testPacket(someID, n))
	}
	f.Add(data)
	f.Add(data[20:])
	f.Add([]byte(marker + marker))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newSpool(Config{Packets: 10, MemoryBytes: 1})
		s.store = newStore(nil, 0) // files are only in its cache
		seg := &segment{number: 0, size: int64(len(data))}
		s.index(seg, data)
		for _, h := range s.Holdings() {
			if h.FrameSamples == 0 || h.Channels < 1 || h.Channels > 2 || h.First < 0 || h.Last < h.First || h.Last > packet.MaxNumber {
				t.Fatalf("holding is %+v", h)
			}
			for _, c := range s.byID[h.Publication].chunks {
				s.store.cached, s.store.upTo, s.store.cache = c, c.end, data[c.offset:c.end]
				var p packet.Packet
				for _, number := range []int64{c.first, c.last} {
					if found, err := s.store.find(c, number, &p); !found || err != nil || p.Number != number || len(p.Payload) == 0 || len(p.Payload) > MaxPayload {
						t.Fatalf("found %+v, want number %d of %+v", p, number, *c)
					}
				}
			}
		}
	})
}
