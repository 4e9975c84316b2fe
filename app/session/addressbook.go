package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
)

const (
	mostAddresses    = 64 // drop rule: any
	addressBookBytes = 64 << 10
)

// addressBook is a file with the last good address of each server, for a start without a working
// look-up of names. What is wrong with it costs only that.
type addressBook struct{ path string }

// find returns host:port of a server, or nothing.
func (b addressBook) find(server string) string {
	address := b.read()[server]
	if _, err := netip.ParseAddrPort(address); err != nil {
		return ""
	}
	return address
}

func (b addressBook) read() map[string]string {
	known := map[string]string{}
	if b.path == "" {
		return known
	}
	file, err := os.Open(b.path)
	if err != nil {
		return known
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, addressBookBytes))
	if err != nil || json.Unmarshal(content, &known) != nil || known == nil {
		return map[string]string{}
	}
	return known
}

// note writes an address down.
func (b addressBook) note(server, address string) error {
	if b.path == "" {
		return nil
	}
	known := b.read()
	for other := range known {
		if len(known) < mostAddresses {
			break
		}
		delete(known, other)
	}
	known[server] = address
	content, err := json.MarshalIndent(known, "", " ")
	if err != nil {
		return fmt.Errorf("keep the server's address: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep the server's address: %w", err)
	}
	temporary := b.path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("keep the server's address: %w", err)
	}
	if err := os.Rename(temporary, b.path); err != nil {
		return fmt.Errorf("keep the server's address: %w", err)
	}
	return nil
}
