// Package nat is an internet in memory with address translators, for tests of WebRTC connections
// within one process (SettingEngine.SetNet). Translators that whole programs are to meet are in
// package netns.
package nat

import (
	"fmt"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v5/vnet"

	"gasso/internal/netsim"
)

// Kind is how a translator maps and filters (RFC 4787, sections 4 and 5).
type Kind int

const (
	// EndpointIndependent keeps a host's port toward everybody and lets everybody in.
	EndpointIndependent Kind = iota
	// PortRestricted keeps the port, and lets in only the address and port that was sent to.
	PortRestricted
	// Symmetric takes another port toward each destination.
	Symmetric
)

// Internet is a network of public addresses. Close ends it.
type Internet struct {
	wan   *vnet.Router
	begun time.Time

	mu    sync.Mutex
	links map[string]*netsim.Link // by sender and receiver
	seed  uint64
	bad   netsim.Conditions
	homes int
	hosts int
}

// New returns an internet in use. Its losses draw from the seed.
func New(seed uint64) (*Internet, error) {
	wan, err := vnet.NewRouter(&vnet.RouterConfig{CIDR: "44.0.0.0/8", LoggerFactory: quiet()})
	if err != nil {
		return nil, fmt.Errorf("make an internet: %w", err)
	}
	n := &Internet{wan: wan, begun: time.Now(), links: map[string]*netsim.Link{}, seed: seed}
	wan.AddChunkFilter(n.passes)
	if err := wan.Start(); err != nil {
		return nil, fmt.Errorf("start an internet: %w", err)
	}
	return n, nil
}

func quiet() logging.LoggerFactory {
	f := logging.NewDefaultLoggerFactory()
	f.DefaultLogLevel = logging.LogLevelDisabled
	return f
}

// Host adds a host with a public address and returns both.
func (n *Internet) Host() (host *vnet.Net, address string, err error) {
	n.mu.Lock()
	n.hosts++
	address = fmt.Sprint("44.1.0.", n.hosts)
	n.mu.Unlock()
	host, err = vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{address}})
	if err == nil {
		err = n.wan.AddNet(host)
	}
	if err != nil {
		return nil, "", fmt.Errorf("add a host: %w", err)
	}
	return host, address, nil
}

// Behind adds a translator and a host behind it. Mappings live for a time without packets from inside.
func (n *Internet) Behind(kind Kind, life time.Duration) (*vnet.Net, error) {
	n.mu.Lock()
	n.homes++
	home := n.homes
	n.mu.Unlock()
	nat := vnet.NATType{MappingLifeTime: life}
	switch kind {
	case PortRestricted:
		nat.FilteringBehavior = vnet.EndpointAddrPortDependent
	case Symmetric:
		nat.MappingBehavior, nat.FilteringBehavior = vnet.EndpointAddrPortDependent, vnet.EndpointAddrPortDependent
	}
	router, err := vnet.NewRouter(&vnet.RouterConfig{
		CIDR: fmt.Sprintf("192.168.%d.0/24", home), StaticIPs: []string{fmt.Sprint("44.2.0.", home)}, NATType: &nat, LoggerFactory: quiet(),
	})
	if err != nil {
		return nil, fmt.Errorf("make a translator: %w", err)
	}
	host, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{fmt.Sprintf("192.168.%d.2", home)}})
	if err == nil {
		err = router.AddNet(host)
	}
	if err == nil {
		err = n.wan.AddRouter(router)
	}
	if err == nil {
		err = router.Start() // the internet's own start was before
	}
	if err != nil {
		return nil, fmt.Errorf("add a translator: %w", err)
	}
	return host, nil
}

// Set changes the conditions between all public addresses: loss and blackout. Delays and rates take
// real networks (package netns).
func (n *Internet) Set(c netsim.Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bad, n.links = c, map[string]*netsim.Link{}
}

// passes tells whether a packet arrives.
func (n *Internet) passes(c vnet.Chunk) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	way := c.SourceAddr().String() + " " + c.DestinationAddr().String()
	link := n.links[way]
	if link == nil {
		n.seed++
		link = netsim.NewLink(n.seed, netsim.Step{Conditions: n.bad})
		n.links[way] = link
	}
	_, arrives := link.Send(time.Since(n.begun))
	return arrives
}

// Close ends the internet.
func (n *Internet) Close() error { return n.wan.Stop() }
