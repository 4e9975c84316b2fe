package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gasso/net/backfill"
	"gasso/server"
	"gasso/server/journal"
)

// journalCommand reads the packets that were kept, also while the server runs.
func journalCommand() *cobra.Command {
	var folder, room string
	var asJSON bool
	root := &cobra.Command{Use: "journal", Short: "List and verify the packets that were kept"}
	for _, verify := range []bool{false, true} {
		c := &cobra.Command{Use: "list", Short: "List what is kept", Args: cobra.NoArgs}
		if verify {
			c.Use, c.Short = "verify", "Read all that is kept, print sums, and fail where a file is damaged"
		}
		c.RunE = func(c *cobra.Command, _ []string) error {
			return printJournal(c.OutOrStdout(), folder, room, verify, asJSON)
		}
		addFolder(c, &folder)
		c.Flags().StringVar(&room, "room", "", "only this room")
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
		root.AddCommand(c)
	}
	return root
}

// journalLine is what is printed of a file.
type journalLine struct {
	File         string   `json:"file"`
	Packets      int64    `json:"packets"` // numbers that are there
	First        int64    `json:"first"`
	Last         int64    `json:"last"`
	MissingCount int64    `json:"missingPackets"`
	Missing      []string `json:"missing"` // FIRST-LAST
	DamagedBytes int64    `json:"damagedBytes"`
	TornBytes    int64    `json:"tornBytes"`
	SHA256       string   `json:"sha256"`
}

func printJournal(to io.Writer, folder, room string, verify, asJSON bool) error {
	dir := filepath.Join(folder, server.JournalFolder)
	names, err := kept(dir, room)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return nothingKept(folder, room)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if !asJSON {
		_, _ = fmt.Fprintln(w, header(verify))
	}
	problems := []error{}
	for _, name := range names {
		s, err := journal.Summarize(dir, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if s.Damaged > 0 {
			problems = append(problems, fmt.Errorf("%s: %d bytes are damaged", name, s.Damaged))
		}
		line := lineOf(s)
		switch {
		case asJSON:
			err = json.NewEncoder(to).Encode(line)
		case verify:
			_, err = fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", line.File, line.Packets, missingText(&line), line.SHA256)
		default:
			_, err = fmt.Fprintf(w, "%s\t%d\t%d-%d\t%d\n", line.File, line.Packets, line.First, line.Last, line.MissingCount)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !verify {
		return nil
	}
	return errors.Join(problems...)
}

// kept are the files of a room, or of all.
func kept(dir, room string) ([]string, error) {
	names, err := journal.Names(dir)
	if room == "" || err != nil {
		return names, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, room+"/") }), nil
}

// nothingKept says so: a check of nothing must not look like one that went well.
func nothingKept(folder, room string) error {
	if room != "" {
		return fmt.Errorf("the journal in %s holds nothing of the room %s: gasso-server journal list --data %s shows what it holds", folder, room, folder)
	}
	return fmt.Errorf("there is no journal in %s: give the --data of the server, whose journal.mode says what it keeps", folder)
}

func header(verify bool) string {
	if verify {
		return "FILE\tPACKETS\tMISSING\tSHA-256"
	}
	return "FILE\tPACKETS\tNUMBERS\tMISSING"
}

func lineOf(s *journal.Summary) journalLine {
	line := journalLine{
		File: s.Name, Packets: s.Numbers.Len(), Missing: []string{}, DamagedBytes: s.Damaged, TornBytes: s.Torn,
		SHA256: fmt.Sprintf("%x", s.SHA256),
	}
	if have := s.Numbers.Ranges(); len(have) > 0 {
		line.First, line.Last = have[0].First, have[len(have)-1].Last
	}
	for _, r := range s.Missing() {
		line.MissingCount += r.Len()
		line.Missing = append(line.Missing, rangeText(r))
	}
	return line
}

func rangeText(r backfill.Range) string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// missingText names the first ranges that are missing.
func missingText(line *journalLine) string {
	const most = 4
	switch {
	case len(line.Missing) == 0:
		return "none"
	case len(line.Missing) <= most:
		return strings.Join(line.Missing, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(line.Missing[:most], ","), len(line.Missing)-most)
}
