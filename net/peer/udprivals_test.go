package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

// stunMessage is a message of some kind with a transaction's id.
func stunMessage(kind uint16, id byte) []byte {
	b := make([]byte, stunHeaderBytes)
	binary.BigEndian.PutUint16(b, kind)
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	for i := range stunIDBytes {
		b[stunHeaderBytes-stunIDBytes+i] = id
	}
	return b
}

func (h *muxHandle) mustWrite(t *testing.T, b []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := h.WriteToAddrPort(b, to); err != nil {
		t.Fatal(err)
	}
}

func (h *muxHandle) mustGet(t *testing.T, want []byte, what string) {
	t.Helper()
	select {
	case d := <-h.in:
		if got := d.data[:d.n]; !bytes.Equal(got, want) {
			t.Errorf("%s: %x came, want %x", what, got, want)
		}
	default:
		t.Errorf("%s: nothing came", what)
	}
}

// Whoever names another's address as a candidate does not get what comes from there, nor keeps it from the
// other; who is answered from there does.
func TestAnAddressIsNotTakenAway(t *testing.T) {
	m, s, victim, all := muxAlone(t)
	conn, err := m.GetConn("hostile", m.GetListenAddresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	hostile := conn.(*muxHandle)
	media := []byte{0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	remote := from(9, nil).from
	victim.mustWrite(t, stunMessage(stunBindingSuccess, 1), remote)
	for id := range byte(20) {
		hostile.mustWrite(t, stunMessage(stunBindingRequest, 100+id), remote)
		hostile.mustWrite(t, stunMessage(stunBindingSuccess, 100+id), remote) // to a check with a forged source
		victim.mustWrite(t, media, remote)
		m.take(s, from(9, media))
		victim.mustGet(t, media, "while another claims the address")
	}
	stranger := stunMessage(stunBindingSuccess, 7)
	m.take(s, from(9, stranger))
	victim.mustGet(t, stranger, "an answer to a check that the other did not send")
	if len(hostile.in) != 0 || all.Counters().Unvalidated != 0 {
		t.Errorf("%d packets went elsewhere, %+v", len(hostile.in), all.Counters())
	}
	answer := stunMessage(stunBindingSuccess, 119) // the same program with another link, or another one at that port
	m.take(s, from(9, answer))
	hostile.mustGet(t, answer, "the answer to its check")
	m.take(s, from(9, media))
	hostile.mustGet(t, media, "after the answer")
	victim.mustWrite(t, media, remote) // which it wrote to last
	m.take(s, from(9, media))
	hostile.mustGet(t, media, "after the one that was displaced wrote again")
	if len(victim.in) != 0 {
		t.Errorf("%d packets for the one that was displaced", len(victim.in))
	}
	if err := hostile.Close(); err != nil {
		t.Fatal(err)
	}
	victim.mustWrite(t, stunMessage(stunBindingSuccess, 2), remote)
	m.take(s, from(9, media))
	victim.mustGet(t, media, "when the other is gone")
	if len(m.rivals) != 0 {
		t.Errorf("%d addresses are contested still", len(m.rivals))
	}
}

// What rivals leave behind is bounded, and goes with them.
func TestRivalsAreBounded(t *testing.T) {
	m, _, owner, _ := muxAlone(t)
	remote := from(9, nil).from
	owner.mustWrite(t, stunMessage(stunBindingSuccess, 1), remote)
	var rivals []*muxHandle
	for i := range 3 * maxRivals {
		conn, err := m.GetConn(fmt.Sprint("rival", i), m.GetListenAddresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		rivals = append(rivals, conn.(*muxHandle))
		for range 100 {
			rivals[i].mustWrite(t, stunMessage(stunBindingRequest, byte(i)), remote)
		}
		if got := len(rivals[i].remotes); got != 1 {
			t.Errorf("%d addresses noted for one", got)
		}
	}
	if got := len(m.rivals[muxKey{owner.socket, remote}]); got != maxRivals {
		t.Errorf("%d rivals are remembered", got)
	}
	for _, r := range rivals {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.rivals) != 0 {
		t.Errorf("%d addresses are contested by nobody", len(m.rivals))
	}
}
