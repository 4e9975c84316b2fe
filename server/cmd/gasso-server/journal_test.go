package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gasso/net/packet"
	"gasso/server"
	"gasso/server/journal"
)

// keepSome makes a journal of two rooms; in choir number 3 to 5 are missing.
func keepSome(t *testing.T, folder string) {
	t.Helper()
	j, err := journal.Open(filepath.Join(folder, server.JournalFolder), journal.Config{Mode: journal.ModeAlways})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"choir", "band"} {
		k, id := j.Keeper(room, "p1"), packet.PublicationID{1}
		if _, err := k.Publication(journal.Header{Publication: id, Channels: 2, FrameSamples: 240}); err != nil {
			t.Fatal(err)
		}
		for number := range int64(9) {
			if room == "band" || number < 3 || number > 5 {
				k.Append(&packet.Packet{Publication: id, Number: number, FirstSample: 240 * number, Samples: 240, Payload: []byte{1, byte(number)}})
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func runJournal(args ...string) (string, error) {
	c := journalCommand()
	var out strings.Builder
	c.SetOut(&out)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	err := c.Execute()
	return out.String(), err
}

func TestJournalIsListedAndVerified(t *testing.T) {
	folder := t.TempDir()
	keepSome(t, folder)
	out, err := runJournal("verify", "--data", folder)
	if err != nil || !strings.Contains(out, "choir/p1/0100000000000000.journal  6") || !strings.Contains(out, "3-5") || !strings.Contains(out, "none") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = runJournal("list", "--data", folder, "--room", "choir", "--json")
	var line journalLine
	if err != nil || json.Unmarshal([]byte(out), &line) != nil || line.Packets != 6 || line.MissingCount != 3 || line.Last != 8 || len(line.SHA256) != 64 {
		t.Errorf("%v %+v\n%s", err, line, out)
	}

	for _, args := range [][]string{{"verify", "--data", t.TempDir()}, {"list", "--data", t.TempDir()}, {"verify", "--data", folder, "--room", "nobody"}} {
		if out, err = runJournal(args...); err == nil || out != "" || !strings.Contains(err.Error(), "--data") {
			t.Errorf("%v finds nothing: %v\n%s", args, err, out)
		}
	}

	file := filepath.Join(folder, server.JournalFolder, "band/p1/0100000000000000.journal")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-40] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err = runJournal("verify", "--data", folder); err == nil || !strings.Contains(err.Error(), "band/p1") || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v\n%s", err, out)
	}
}
