package journal

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"gasso/net/backfill"
	"gasso/net/packet"
)

// suffix is what names of files end with.
const suffix = ".journal"

// Read passes on the packets of a file below the journal's folder, in the order in which they came; a
// number may come twice. The payload is borrowed until each returns. The file may be written meanwhile.
func Read(dir, name string, each func(*packet.Packet) error) (Scan, error) {
	f, err := openBelow(dir, name)
	if err != nil {
		return Scan{}, err
	}
	defer func() { _ = f.Close() }() // only read
	s, err := scan(f, func(p *packet.Packet, _ int64) error { return each(p) })
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func openBelow(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return f, nil
}

// Names returns the files below the journal's folder, as ROOM/PARTICIPANT/PUBLICATION.journal.
func Names(dir string) ([]string, error) {
	names := []string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type().IsRegular() && strings.HasSuffix(name, suffix) && strings.Count(name, "/") == 2 {
			names = append(names, name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	return names, nil
}

// Summary is what a file holds.
type Summary struct {
	Name string
	Scan
	Numbers backfill.Set // packet numbers that are there
	SHA256  [32]byte     // over number (8 bytes, big-endian) and payload, in order of numbers
}

// Missing are the ranges between the lowest and the highest number that are not there.
func (s *Summary) Missing() []backfill.Range {
	var missing backfill.Set
	if have := s.Numbers.Ranges(); len(have) > 0 {
		s.Numbers.Missing(backfill.Range{First: have[0].First, Last: have[len(have)-1].Last}, &missing)
	}
	return missing.Ranges()
}

// place is where a packet stands in its file.
type place struct{ number, offset, payload int64 }

// Summarize reads a file and computes its sum. Of a number that stands there twice the first counts.
func Summarize(dir, name string) (*Summary, error) {
	f, err := openBelow(dir, path.Clean(name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	s := &Summary{Name: name}
	var places []place
	s.Scan, err = scan(f, func(p *packet.Packet, offset int64) error {
		places = append(places, place{p.Number, offset + recordBytes + packetBytes, int64(len(p.Payload))})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.number, b.number) })
	sum, buffer := sha256.New(), make([]byte, 0, 8+maxPayload)
	for i, at := range places {
		if i > 0 && places[i-1].number == at.number {
			continue
		}
		s.Numbers.Add(backfill.Range{First: at.number, Last: at.number})
		buffer = binary.BigEndian.AppendUint64(buffer[:0], uint64(at.number))
		buffer = buffer[:8+at.payload]
		if _, err := f.ReadAt(buffer[8:], at.offset); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: read again: %w", name, err)
		}
		sum.Write(buffer)
	}
	sum.Sum(s.SHA256[:0])
	return s, nil
}
