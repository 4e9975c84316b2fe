package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gasso/net/redundancy"
)

const (
	ipHeader  = 20
	udpHeader = 8
	rtpHeader = 12
	udpOnIP   = 17
	redType   = 63 // payload types that Gasso offers
	feedback  = 205
	appPacket = 204
	senders   = 200
	receivers = 201
)

// traffic counts what passes a line in one direction, IP headers included, by kind.
type traffic struct {
	server netip.Addr

	mu    sync.Mutex
	kinds map[string]amount
}

type amount struct{ packets, bytes int64 }

func newTraffic(server netip.Addr) *traffic {
	return &traffic{server: server, kinds: map[string]amount{}}
}

// see takes an IPv4 packet.
func (t *traffic) see(packet []byte) {
	kind := t.kind(packet)
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.kinds[kind]
	a.packets, a.bytes = a.packets+1, a.bytes+int64(len(packet))
	t.kinds[kind] = a
}

// kind tells what a packet is for, and whether it goes by the server.
func (t *traffic) kind(packet []byte) string {
	if packet[9] != udpOnIP {
		return "TCP"
	}
	way := "direct "
	if netip.AddrFrom4([4]byte(packet[12:16])) == t.server || netip.AddrFrom4([4]byte(packet[16:20])) == t.server {
		way = "server "
	}
	if len(packet) < ipHeader+udpHeader+2 {
		return way + "other"
	}
	return way + payloadKind(packet[ipHeader+udpHeader:])
}

// payloadKind goes by the first byte (RFC 7983, section 7), and by the types that follow.
func payloadKind(b []byte) string {
	switch first := b[0]; {
	case first < 4:
		return "STUN"
	case first >= 20 && first < 64:
		return "data channel"
	case first >= 64 && first < 80:
		return "relayed"
	case first < 128 || first >= 192:
		return "other"
	}
	switch b[1] {
	case senders, receivers:
		return "report"
	case feedback:
		return "feedback"
	case appPacket:
		return appKind(b[0] & 31)
	}
	switch {
	case len(b) >= rtpHeader && b[1]&0x7f == redType:
		return "media with copies"
	case b[1]&0x80 != 0:
		return "media sent again"
	}
	return "media"
}

// appKind tells Gasso's own RTCP packets apart.
func appKind(subtype byte) string {
	switch subtype {
	case redundancy.AppTotals:
		return "totals"
	case redundancy.AppRequests:
		return "requests"
	case redundancy.AppDecline:
		return "declining"
	}
	return "other"
}

// describe says what came in a span of time, the kinds with the most bytes first.
func (t *traffic) describe(span time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := slices.SortedFunc(maps.Keys(t.kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.kinds[b].bytes, t.kinds[a].bytes), cmp.Compare(a, b))
	})
	total, parts := amount{}, make([]string, 0, len(names))
	for _, name := range names {
		a := t.kinds[name]
		total.packets, total.bytes = total.packets+a.packets, total.bytes+a.bytes
		parts = append(parts, name+" "+a.over(span))
	}
	return total.over(span) + ": " + strings.Join(parts, ", ")
}

func (a amount) over(span time.Duration) string {
	return fmt.Sprintf("%.1f kbit/s (%.1f/s)", 8*float64(a.bytes)/span.Seconds()/1e3, float64(a.packets)/span.Seconds())
}
