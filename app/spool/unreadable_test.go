package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gasso/net/packet"
)

// unreadable is a file of which half of what is asked for can be read.
type unreadable struct{ segmentReader }

func (u unreadable) ReadAt(b []byte, at int64) (int, error) {
	n, _ := u.segmentReader.ReadAt(b[:len(b)/2], at)
	return n, syscall.EIO
}

func TestWhatCannotBeReadNowIsNotGivenUp(t *testing.T) {
	data, _ := recordsIn(t, 300) // several chunks
	s := left(t, data)
	defer shut(t, s)
	open := s.store.open
	for name, fails := range map[string]func(string) (segmentReader, error){
		"open": func(string) (segmentReader, error) { return nil, syscall.EMFILE },
		"read": func(name string) (segmentReader, error) {
			f, err := open(name)
			return unreadable{f}, err
		},
	} {
		s.store.open = fails
		var p packet.Packet
		for range 3 {
			if found, err := s.Find(someID, 70, &p); found || err == nil {
				t.Errorf("%s: found %v, %v", name, found, err)
			}
		}
		if st := s.Status(); st.Packets != 300 || st.Lost != 0 || len(segmentsOf(t, s.cfg.Folder)) != 1 {
			t.Errorf("%s: the status is %+v", name, st)
		}
		s.store.open = open
		wantFound(t, s, someID, 0, 299)
		s.store.cached = nil
	}
}

func TestWhatCouldNotBeReadAtTheStartIsReadLater(t *testing.T) {
	data, ends := recordsIn(t, 10)
	for _, c := range []struct {
		name  string
		fails error
		short bool
		works int // trial that works again, if any
		want  int
	}{{"open", syscall.EMFILE, false, 2, 10}, {"read", nil, true, 2, 10}, {"damaged for good", nil, true, 99, 5}} {
		f := folder(t, t.TempDir())
		if err := os.WriteFile(filepath.Join(f.path, segmentName(3)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSpool(Config{Folder: f, Packets: 100, MemoryBytes: 1 << 16})
		open := s.store.open
		s.store.open = func(name string) (segmentReader, error) {
			r, err := open(name)
			switch {
			case err != nil || s.trials >= c.works:
				return r, err
			case c.fails != nil:
				return nil, errors.Join(c.fails, r.Close())
			}
			return cutShort{r, int64(ends[4])}, nil
		}
		s.recoverFiles()
		if got := found(t, s, someID); len(got) != 0 || s.Status().Lost != 0 {
			t.Errorf("%s: at first found %v, %+v", c.name, got, s.Status())
		}
		next, w := packet.PublicationID{9}, &writer{}
		begin(t, s, next)
		s.SetCut(true)
		for n := range int64(mostTrials * pauseLooks) {
			appendAll(s, next, n, n)
			s.look(w, false)
		}
		if got := found(t, s, someID); len(got) != c.want {
			t.Errorf("%s: later found %v", c.name, got)
		}
		wantFound(t, s, next, 0, mostTrials*pauseLooks-1)
		if h := s.Holdings(); len(h) != 2 || h[0].Publication != someID {
			t.Errorf("%s: holdings are %+v", c.name, h)
		}
		shut(t, s)
	}
}

// cutShort is a file that cannot be read beyond an offset.
type cutShort struct {
	segmentReader
	end int64
}

func (c cutShort) ReadAt(b []byte, at int64) (int, error) {
	if n := c.end - at; n < int64(len(b)) {
		read, _ := c.segmentReader.ReadAt(b[:max(n, 0)], at)
		return read, syscall.EIO
	}
	return c.segmentReader.ReadAt(b, at)
}
