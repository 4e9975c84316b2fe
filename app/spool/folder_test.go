package spool

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gasso/net/backfill"
)

func TestProgramsForTheSameRoomHaveFoldersOfTheirOwn(t *testing.T) {
	base := t.TempDir()
	var all []*Folder
	for i := range mostSlots {
		f := folder(t, base)
		if want := "-" + strconv.Itoa(i+1); !strings.HasSuffix(f.path, want) {
			t.Errorf("folder %d is %s", i, f.path)
		}
		all = append(all, f)
	}
	if _, err := OpenFolder(base, "https://a.example", "demo", "Ai", time.Now()); !errors.Is(err, ErrTaken) {
		t.Errorf("one more gives %v", err)
	}
	for _, who := range [][3]string{{"https://b.example", "demo", "Ai"}, {"https://a.example", "hall", "Ai"}, {"https://a.example", "demo", "Ben"}} {
		f, err := OpenFolder(base, who[0], who[1], who[2], time.Now())
		if err != nil || !strings.HasSuffix(f.path, "-1") {
			t.Fatalf("folder for %v is %v, %v", who, f, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := all[3].setIdentity(Identity{ParticipantID: "p4"}); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 6} {
		if err := all[i].Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(all[6].path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder is left: %v", err)
	}
	again := folder(t, base)
	if id, err := again.Identity(); err != nil || id.ParticipantID != "p4" || again.path != all[3].path {
		t.Errorf("%s has %+v, %v; want the one that was left", again.path, id, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	for i, f := range all {
		if i != 3 && i != 6 {
			_ = f.Close()
		}
	}
}

func TestAFolderThatCannotBeMadeIsSaid(t *testing.T) {
	base := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(base, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := OpenFolder(base, "https://a.example", "demo", "Ai", time.Now()); err == nil || f != nil {
		t.Errorf("a file as folder gives %v, %v", f, err)
	}
	if os.Getuid() == 0 {
		return // may write everywhere
	}
	base = filepath.Join(t.TempDir(), "read-only")
	if err := os.Mkdir(base, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(base, "https://a.example", "demo", "Ai", time.Now()); err == nil {
		t.Error("a read-only folder is taken")
	}
}

func TestFoldersThatNobodyTouchedForAWeekGo(t *testing.T) {
	base := t.TempDir()
	make := func(name string) string {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{lockName, identityName, segmentName(0)} {
			if err := os.WriteFile(filepath.Join(path, file), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	old, foreign, mixed, busy := make("0123456789abcdef-1"), make("my songs"), make("0123456789abcdef-2"), make("0123456789abcdef-3")
	if err := os.WriteFile(filepath.Join(mixed, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(filepath.Join(busy, lockName))
	if lock == nil || err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	prune(base, time.Now().Add(keptFor-time.Hour))
	for _, path := range []string{old, foreign, mixed, busy} {
		if !there(filepath.Join(path, segmentName(0))) {
			t.Errorf("%s is gone too early", path)
		}
	}
	prune(base, time.Now().Add(keptFor+time.Hour))
	if there(old) {
		t.Error("the old folder is there")
	}
	if !there(filepath.Join(foreign, segmentName(0))) || !there(filepath.Join(busy, segmentName(0))) {
		t.Error("a foreign or busy folder was touched")
	}
	if there(filepath.Join(mixed, segmentName(0))) || !there(filepath.Join(mixed, "notes.txt")) {
		t.Error("of a folder with foreign files not just the own ones went")
	}
}

func TestIdentityOutlivesTheProgram(t *testing.T) {
	base := t.TempDir()
	f := folder(t, base)
	if id, err := f.Identity(); err != nil || id != (Identity{}) {
		t.Errorf("at first the identity is %+v, %v", id, err)
	}
	want := Identity{ParticipantID: "p1", ResumeSecret: "s1", NextGeneration: 9}
	s := Open(Config{Folder: f})
	s.SetIdentity(want)
	begin(t, s, someID)
	appendAll(s, someID, 0, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(f.path, identityName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity's file is %v, %v", info, err)
	}

	f = folder(t, base)
	if id, err := f.Identity(); err != nil || id != want {
		t.Errorf("the identity is %+v, %v", id, err)
	}
	s = idle(t, Config{Folder: f})
	s.Durable(someID, backfill.Range{First: 0, Last: 3})
	shut(t, s)

	f = folder(t, base)
	if id, err := f.Identity(); err != nil || id != (Identity{}) {
		t.Errorf("with nothing left the identity is %+v, %v", id, err)
	}
	if err := os.WriteFile(filepath.Join(f.path, identityName), []byte(`{"participantId": 7`), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := f.Identity(); err == nil || id != (Identity{}) {
		t.Errorf("a damaged identity is %+v, %v", id, err)
	}
	s = Open(Config{Folder: f})
	s.SetIdentity(want)
	s.SetIdentity(Identity{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnIdentityThatCouldNotBeWrittenIsTriedAgain(t *testing.T) {
	f := folder(t, t.TempDir())
	draft := filepath.Join(f.path, identityDraft) // a folder in the way of the file
	if err := os.Mkdir(draft, 0o700); err != nil {
		t.Fatal(err)
	}
	s := idle(t, Config{Folder: f})
	want := Identity{ParticipantID: "p1", ResumeSecret: "s1"}
	s.SetIdentity(want)
	w := &writer{}
	s.look(w, false)
	if id, err := f.Identity(); err != nil || id != (Identity{}) {
		t.Errorf("the identity is %+v, %v", id, err)
	}
	if err := os.Remove(draft); err != nil {
		t.Fatal(err)
	}
	for range pauseLooks {
		s.look(w, false)
	}
	if id, err := f.Identity(); err != nil || id != want {
		t.Errorf("later the identity is %+v, %v", id, err)
	}
	shut(t, s)
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte(`{"participantId":"p1","resumeSecret":"s","nextGeneration":255}`))
	f.Add([]byte(`{"nextGeneration":256}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := decodeIdentity(data); err != nil && id != (Identity{}) {
			t.Errorf("%q gives %+v and %v", data, id, err)
		}
	})
}

const writerVariable = "GASSO_TEST_SPOOL"

// TestWriterThatIsKilled is the program that TestKilledProgramLosesNothingThatWasWritten kills.
func TestWriterThatIsKilled(t *testing.T) {
	base := os.Getenv(writerVariable)
	if base == "" {
		t.Skip("runs as a child of another test")
	}
	s := Open(Config{Folder: folder(t, base), Packets: 5000})
	s.SetCut(true)
	begin(t, s, someID)
	for n := int64(0); ; n++ {
		s.Append(testPacket(someID, n))
		if n%50 != 0 {
			continue
		}
		s.lookNow()
		for s.behind() > 2000 { // as fast as the disk takes it
			time.Sleep(time.Millisecond)
		}
		s.mu.Lock()
		fmt.Println(s.written)
		s.mu.Unlock()
	}
}

func (s *Spool) behind() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring.head - s.written
}

func TestKilledProgramLosesNothingThatWasWritten(t *testing.T) {
	for range 5 {
		base := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=^TestWriterThatIsKilled$")
		child.Env = append(os.Environ(), writerVariable+"="+base)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, written := bufio.NewScanner(out), int64(0)
		for written < 3000 && lines.Scan() {
			written, _ = strconv.ParseInt(lines.Text(), 10, 64)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // killed
		if written < 3000 {
			t.Fatalf("the child ended after %d packets", written)
		}
		s := idle(t, Config{Folder: folder(t, base)})
		numbers := found(t, s, someID)
		if int64(len(numbers)) < written {
			t.Fatalf("%d packets are left of at least %d", len(numbers), written)
		}
		all := make([]int64, len(numbers))
		for i := range all {
			all[i] = int64(i)
		}
		if hash(numbers, someID) != hash(all, someID) {
			t.Error("what is left is not what was written")
		}
		shut(t, s)
	}
}
