package e2e

import (
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gasso/app/session"
	"gasso/server/journal"
)

// kept is what a server's journal holds of a publication: the number of packets and their sum.
func kept(t *testing.T, data, publication string) (packets int64, sum string) {
	t.Helper()
	dir := filepath.Join(data, "journal")
	names, err := journal.Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "/"+publication+".journal") {
			continue
		}
		if sum != "" {
			t.Fatalf("publication %s is in several files: %v", publication, names)
		}
		s, err := journal.Summarize(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		packets, sum = s.Numbers.Len(), hex.EncodeToString(s.SHA256[:])
	}
	return packets, sum
}

// publicationOf is the oldest publication of a session that has begun to send.
func publicationOf(t *testing.T, s *session.Session) session.PublicationSum {
	t.Helper()
	all := s.Snapshot().Self.Spool.Publications
	if len(all) == 0 {
		t.Fatal("there is no publication")
	}
	return all[0]
}

// whole waits until the journal holds all that was encoded of a publication, to the last payload.
func whole(t *testing.T, data string, want session.PublicationSum) {
	t.Helper()
	var packets int64
	var sum string
	defer func() {
		if t.Failed() {
			t.Logf("the journal holds %d packets with the sum %s of %+v", packets, sum, want)
		}
	}()
	eventually(t, 60*time.Second, "the journal holds every packet", func() bool {
		packets, sum = kept(t, data, want.ID)
		return packets == want.Packets && sum == want.SHA256
	})
}

// TestInProcessNothingIsLostWhileTheServerIsAway compares sums of what was encoded with those of what the
// server has, after the server was away and after the app was, too.
func TestInProcessNothingIsLostWhileTheServerIsAway(t *testing.T) {
	noLeaks(t)
	data, spools := shortDir(t), t.TempDir()
	base, stopServer := inProcessServer(t, data, "127.0.0.1:0")
	address := strings.TrimPrefix(base, "http://")
	join := func() (*session.Session, func()) {
		return inProcessPerformer(t, session.Config{Server: base, Name: "Ai", Input: "tone:440", Spool: session.SpoolConfig{Dir: spools}})
	}
	ai, stopAi := join()
	sends := func() bool {
		snap := ai.Snapshot()
		return snap.State == session.StateJoined && !snap.Self.Spool.Cut && len(snap.Self.Spool.Publications) > 0
	}
	eventually(t, 20*time.Second, "Ai sends", sends)
	time.Sleep(time.Second)
	stopServer()
	eventually(t, 10*time.Second, "Ai is cut off", func() bool { return ai.Snapshot().Self.Spool.Cut })
	time.Sleep(3 * time.Second)
	if spool := ai.Snapshot().Self.Spool; spool.Duration < 3*time.Second || spool.Lost != 0 {
		t.Errorf("without the server the spool is %+v", spool)
	}
	_, stopServer = inProcessServer(t, data, address)
	eventually(t, 20*time.Second, "Ai sends again", sends)
	id := ai.Snapshot().Self.ID
	ai.SetMode(session.ModeSafe) // ends the publication
	eventually(t, 5*time.Second, "there is another publication", func() bool { return len(ai.Snapshot().Self.Spool.Publications) == 2 })
	first := publicationOf(t, ai)
	whole(t, data, first)

	stopServer()
	eventually(t, 10*time.Second, "Ai is cut off again", func() bool { return ai.Snapshot().Self.Spool.Cut })
	time.Sleep(time.Second)
	stopAi()
	second := ai.Snapshot().Self.Spool.Publications[1]
	_, _ = inProcessServer(t, data, address)
	ai, _ = join()
	eventually(t, 20*time.Second, "the restarted Ai sends", sends)
	if got := ai.Snapshot().Self.ID; got != id {
		t.Errorf("%s has become %s", id, got)
	}
	whole(t, data, second)
	whole(t, data, first)
}
