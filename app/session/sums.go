package session

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"sync"

	"gasso/net/packet"
)

const sumsKept = 16 // publications

// PublicationSum proves what was encoded, for comparison with what a server kept.
type PublicationSum struct {
	ID      string `json:"id"`
	Packets int64  `json:"packets"`
	SHA256  string `json:"sha256"` // over number (8 bytes, big-endian) and payload of all packets
}

// sums are those of the newest publications, the last one still growing.
type sums struct {
	mu     sync.Mutex
	all    []PublicationSum // the digest of the last one is in digest
	digest hash.Cloner
	number [8]byte
}

// begin starts the sum of a publication.
func (s *sums) begin(id packet.PublicationID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.all); n > 0 {
		s.all[n-1].SHA256 = digestOf(s.digest)
		if n == sumsKept {
			s.all = slices.Delete(s.all, 0, 1)
		}
	}
	s.all = append(s.all, PublicationSum{ID: id.String()})
	s.digest = sha256.New().(hash.Cloner) // as all of the standard library's are
}

// add takes the next packet. It does not allocate.
func (s *sums) add(p *packet.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return
	}
	s.all[len(s.all)-1].Packets++
	binary.BigEndian.PutUint64(s.number[:], uint64(p.Number))
	_, _ = s.digest.Write(s.number[:]) // never fails
	_, _ = s.digest.Write(p.Payload)
}

// list is what they are now, oldest first.
func (s *sums) list() []PublicationSum {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.all)
	if n := len(all); n > 0 {
		all[n-1].SHA256 = digestOf(s.digest)
	}
	return all
}

func digestOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
