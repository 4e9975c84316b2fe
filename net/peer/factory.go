// Package peer carries packets between two participants, or a participant and the server, over one
// WebRTC PeerConnection (a Link). It is the project's door to pion.
//
// A Publisher writes the packets of one origin to any number of links; a Subscriber reads the
// packets of one origin from one link. Opus at 48 kHz in stereo is the only medium. Packets keep
// their identity (package packet) in an RTP header extension; sequence numbers, SSRC and payload
// type belong to a link alone.
package peer

import (
	"log/slog"
	"net/netip"

	"gasso/net/signaling"
)

// Config says how links reach the other side.
type Config struct {
	ICEServers []signaling.ICEServer // STUN and TURN; a server with a public address needs none
	Loopback   bool                  // everybody is on this machine: gather loopback addresses alone
	Mux        *Mux                  // shared sockets of a server; nil: sockets of its own for each link
	Announce   []netip.Addr          // addresses to tell the other side in place of local ones (behind NAT)
	Log        *slog.Logger          // nil: discard
}

// Factory makes links that share a configuration.
type Factory struct{ cfg Config }

// NewFactory checks the configuration.
func NewFactory(cfg Config) (*Factory, error) { return &Factory{cfg: cfg}, nil }

// SetICEServers changes the servers that links made from now on use (TURN credentials expire).
func (f *Factory) SetICEServers(servers []signaling.ICEServer) error { return nil }

// Close closes every link that is still open, waits for their goroutines and closes the Mux.
func (f *Factory) Close() error { return nil }
