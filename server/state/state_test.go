package state

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	created := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := open(t, dir)
	want := Room{ID: "choir", Title: "合唱", Open: true, Created: created}
	must(t, s.PutRoom(want))
	must(t, s.PutRoom(Room{ID: "gone"}))
	must(t, s.DeleteRoom("gone"))
	b, err := s.BeginBroadcast("choir")
	must(t, err)
	must(t, s.SaveSequence("choir", b.Epoch, 17))
	must(t, s.Revoke("invite1", created))
	must(t, s.Close())

	s = open(t, dir)
	rooms, err := s.Rooms()
	must(t, err)
	if len(rooms) != 1 || rooms[0] != want {
		t.Errorf("rooms %+v, want %+v", rooms, want)
	}
	next, err := s.BeginBroadcast("choir")
	must(t, err)
	if next.Epoch != b.Epoch+1 || next.NextSequence != 17 {
		t.Errorf("broadcast %+v, want epoch %d from 17", next, b.Epoch+1)
	}
	for id, want := range map[string]bool{"invite1": true, "invite2": false} {
		if got, err := s.Revoked(id); err != nil || got != want {
			t.Errorf("revoked %s: %v, %v", id, got, err)
		}
	}
}

func TestSequenceNeverGoesBack(t *testing.T) {
	s := open(t, t.TempDir())
	first, err := s.BeginBroadcast("choir")
	must(t, err)
	must(t, s.SaveSequence("choir", first.Epoch, 20))
	must(t, s.SaveSequence("choir", first.Epoch, 5))
	second, err := s.BeginBroadcast("choir")
	must(t, err)
	must(t, s.SaveSequence("choir", first.Epoch, 90)) // an epoch that is over
	third, err := s.BeginBroadcast("choir")
	must(t, err)
	if second.NextSequence != 20 || third.NextSequence != 20 {
		t.Errorf("sequences %d and %d, want 20", second.NextSequence, third.NextSequence)
	}
}

func TestEpochsAreUniqueUnderContention(t *testing.T) {
	s := open(t, t.TempDir())
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b, err := s.BeginBroadcast("choir")
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[b.Epoch] {
				t.Errorf("epoch %d twice, or %v", b.Epoch, err)
			}
			seen[b.Epoch] = true
		})
	}
	wg.Wait()
}

func TestPruneForgetsOnlyWhatExpired(t *testing.T) {
	s := open(t, t.TempDir())
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	must(t, s.Revoke("old", now.Add(-time.Second)))
	must(t, s.Revoke("new", now.Add(time.Second)))
	must(t, s.Prune(now))
	for id, want := range map[string]bool{"old": false, "new": true} {
		if got, err := s.Revoked(id); err != nil || got != want {
			t.Errorf("revoked %s: %v, %v", id, got, err)
		}
	}
}

func TestEmptyStoreListsNothing(t *testing.T) {
	rooms, err := open(t, t.TempDir()).Rooms()
	if err != nil || len(rooms) != 0 {
		t.Errorf("rooms %v, %v", rooms, err)
	}
}

func TestManyRooms(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 100 {
		must(t, s.PutRoom(Room{ID: fmt.Sprintf("room-%d", i)}))
	}
	if rooms, err := s.Rooms(); err != nil || len(rooms) != 100 {
		t.Errorf("%d rooms, %v", len(rooms), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
