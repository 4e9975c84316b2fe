package peer

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
)

// A performer may name any address as a candidate, also somebody else's. So the entry of an address that
// has shown to be one connection's stays: others that send checks there are its rivals, and only an answer
// to one of these checks, which nobody but the address itself can know, hands it over.

const (
	rivalChecks = 8  // of one connection whose answers are waited for
	maxRivals   = 4  // for one address; the oldest makes room
	stunIDBytes = 12 // of the transaction, at the end of STUN's header
)

// muxRival is a connection that sends checks to an address which another one has.
type muxRival struct {
	conn  *muxConn
	asked [rivalChecks][stunIDBytes]byte
	next  int
}

// asks notes a check.
func (r *muxRival) asks(id []byte) {
	copy(r.asked[r.next%rivalChecks][:], id)
	r.next++
}

func (r *muxRival) waitsFor(id []byte) bool {
	return slices.ContainsFunc(r.asked[:min(r.next, rivalChecks)], func(a [stunIDBytes]byte) bool { return bytes.Equal(a[:], id) })
}

// remote is the entry of an address. Writing to it makes one, unless another connection has it for good
// reason: nil then.
func (c *muxConn) remote(addr netip.AddrPort, packet []byte) *muxRemote {
	if r := c.last.Load(); r != nil && r.addr == addr && !r.displaced.Load() {
		return r
	}
	key := muxKey{c.socket, addr}
	c.mux.mu.RLock()
	r := c.mux.byRemote[key]
	c.mux.mu.RUnlock()
	if r == nil || r.conn != c {
		if r = c.claim(key, packet); r == nil {
			return nil
		}
	}
	c.last.Store(r)
	return r
}

// claim makes an address the connection's where nobody else has shown to be there.
func (c *muxConn) claim(key muxKey, packet []byte) *muxRemote {
	m := c.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(c.handles) == 0 { // closed meanwhile
		return nil
	}
	if !slices.Contains(c.remotes, key.remote) {
		c.remotes = append(c.remotes, key.remote)
	}
	if r := m.byRemote[key]; r != nil && r.conn != c && r.validated.Load() {
		m.contendLocked(key, c, packet)
		return nil
	}
	return m.giveLocked(key, c)
}

// settle gives an address to the connection whose check was answered from there, and returns who has it.
func (m *udpMux) settle(key muxKey, id []byte) *muxRemote {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rivals[key] {
		if r.waitsFor(id) {
			owner := m.giveLocked(key, r.conn)
			owner.validated.Store(true)
			delete(m.rivals, key)
			return owner
		}
	}
	return m.byRemote[key]
}

// giveLocked makes an address a connection's.
func (m *udpMux) giveLocked(key muxKey, c *muxConn) *muxRemote {
	if before := m.byRemote[key]; before != nil {
		before.displaced.Store(true)
	}
	r := &muxRemote{addr: key.remote, conn: c}
	m.byRemote[key] = r
	m.withdrawLocked(key, c)
	return r
}

// contendLocked notes a check to an address that another connection has.
func (m *udpMux) contendLocked(key muxKey, c *muxConn, check []byte) {
	if len(check) < stunHeaderBytes || binary.BigEndian.Uint16(check) != stunBindingRequest {
		return
	}
	rivals := m.rivals[key]
	at := slices.IndexFunc(rivals, func(r *muxRival) bool { return r.conn == c })
	if at < 0 {
		if len(rivals) == maxRivals {
			rivals = slices.Delete(rivals, 0, 1)
		}
		rivals = append(rivals, &muxRival{conn: c})
		m.rivals[key], at = rivals, len(rivals)-1
	}
	rivals[at].asks(check[stunHeaderBytes-stunIDBytes : stunHeaderBytes])
}

// withdrawLocked forgets what a connection asked an address.
func (m *udpMux) withdrawLocked(key muxKey, c *muxConn) {
	rivals := slices.DeleteFunc(m.rivals[key], func(r *muxRival) bool { return r.conn == c })
	if m.rivals[key] = rivals; len(rivals) == 0 {
		delete(m.rivals, key)
	}
}

// isAnswer tells whether a packet says that a check succeeded.
func isAnswer(b []byte) bool {
	return len(b) >= stunHeaderBytes && binary.BigEndian.Uint16(b) == stunBindingSuccess && binary.BigEndian.Uint32(b[4:]) == stunCookie
}
