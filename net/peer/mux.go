package peer

import "log/slog"

// PortRange is a range of ports, both ends included. Min 0 is any free port.
type PortRange struct{ Min, Max uint16 }

// ParsePortRange reads PORT or MIN-MAX.
func ParsePortRange(s string) (PortRange, error) { return PortRange{}, nil }

// String returns PORT or MIN-MAX.
func (r PortRange) String() string { return "" }

// MuxConfig says which ports a server listens on for media.
type MuxConfig struct {
	UDP      *PortRange // nil: no UDP
	TCP      *PortRange // one port for ICE-TCP (the first free one of the range); nil: no TCP
	Loopback bool       // listen on loopback addresses alone
	Log      *slog.Logger
}

// Mux is a server's shared media sockets: all links go through one UDP port, or a few (shards) of a
// range, and one TCP port.
type Mux struct{}

// NewMux opens the sockets. A single port that is in use is an error that names it.
func NewMux(cfg MuxConfig) (*Mux, error) { return &Mux{}, nil }

// UDPPorts are the UDP ports in use, one for each shard; TCPPort is 0 without TCP.
func (m *Mux) UDPPorts() []int { return nil }

// TCPPort is the ICE-TCP port, 0 without TCP.
func (m *Mux) TCPPort() int { return 0 }

// Close closes the sockets. Close the Factory that uses them first: it does this too.
func (m *Mux) Close() error { return nil }
