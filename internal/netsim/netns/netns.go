// Package netns builds worlds of Linux network namespaces for whole, unmodified programs: hosts with
// public addresses, routers with address translation and hosts behind them, firewalls, changes of
// address, links that go down.
//
// Packets between public addresses pass this process: each host and router has a TUN device, and a
// switch here reads IP packets, applies the netsim.Conditions of the sender's line, of the way between
// the two and of the receiver's line, and writes them to the receiver's device. So UDP, TCP and
// whatever else are delayed, lost, held to a rate and blacked out alike.
//
//	world, err := netns.New(1)               // err says why where the system refuses
//	defer world.Close()
//	server, err := world.Host("server")      // public
//	home, err := world.Router("home", netns.Symmetric)
//	aki, err := home.Host("aki")             // behind it
//	home.Set(netsim.Conditions{Delay: 20 * time.Millisecond, Loss: 0.05})
//	command := aki.Command("bin/gasso", "headless", "--server", "https://"+server.Address().String())
//
// It takes root, or Enter called first thing in main or TestMain.
package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"gasso/internal/netsim"
)

// ErrRefused is wrapped by errors that say why the system has no namespaces for this process.
var ErrRefused = errors.New("network namespaces are refused")

var worlds atomic.Int64 // made by this process, for names

// World is an internet of its own. Close ends it.
type World struct {
	name string
	seed uint64

	mu     sync.RWMutex
	nodes  []*Node // all, in the order in which they were made
	byName map[string]*Node
	public map[netip.Addr]*Node // whose line leads to an address
	trips  map[pair]*trip
	next   netip.Addr // the next public address
	closed bool

	reading sync.WaitGroup
	strays  atomic.Int64
}

// pair is two ends, in one direction.
type pair struct{ from, to *Node }

// New returns an empty world. Its links draw from the seed. The error wraps ErrRefused where the
// system has no namespaces for this process.
func New(seed uint64) (*World, error) {
	sweep()
	w := &World{
		name: fmt.Sprintf("gasso-%d-%d", os.Getpid(), worlds.Add(1)), seed: seed,
		byName: map[string]*Node{}, public: map[netip.Addr]*Node{}, trips: map[pair]*trip{},
		next: netip.MustParseAddr("44.1.0.1"), // public in form: nothing of it leaves the world
	}
	trial, err := w.Host("trial")
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("%w: %w (run it as root on Linux with ip and nft installed)", ErrRefused, err)
	}
	if err := trial.Firewall("udp dport 9 drop"); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("%w: %w (nft of the package nftables is needed)", ErrRefused, err)
	}
	return w, nil
}

// Host adds a host with a public address of its own.
func (w *World) Host(name string) (*Node, error) { return w.add(name, nil) }

// Router adds a router with a public address that translates for the hosts behind it.
func (w *World) Router(name string, nat NAT) (*Node, error) { return w.add(name, &nat) }

func (w *World) add(name string, nat *NAT) (*Node, error) {
	n, err := w.namespace(name)
	if err != nil {
		return nil, err
	}
	if err := n.connect(); err != nil {
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	if nat != nil {
		if err := n.translate(*nat); err != nil {
			return nil, fmt.Errorf("translate addresses in %s: %w", name, err)
		}
	}
	return n, nil
}

// namespace makes a namespace without a network.
func (w *World) namespace(name string) (*Node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.byName[name] != nil {
		return nil, fmt.Errorf("add %q to the world: the name is taken or the world has ended", name)
	}
	n := &Node{world: w, name: name, space: w.name + "-" + name}
	if err := run("ip", "netns", "add", n.space); err != nil {
		return nil, err
	}
	w.nodes, w.byName[name] = append(w.nodes, n), n
	return n, n.ip("link", "set", "lo", "up")
}

// publicAddress returns an address that nobody has.
func (w *World) publicAddress(n *Node) netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.next
	w.next = w.next.Next()
	w.public[a] = n
	return a
}

func (w *World) dropAddress(a netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.public, a)
}

// SetBetween changes the conditions of the way between two nodes' lines, in both directions. The
// conditions of the lines themselves come on top.
func (w *World) SetBetween(a, b *Node, c netsim.Conditions) {
	a, b = a.line(), b.line()
	for _, p := range []pair{{a, b}, {b, a}} {
		w.trip(p).way.Set(c)
	}
}

// Strays returns how many packets went to addresses that nobody has.
func (w *World) Strays() int64 { return w.strays.Load() }

// Close ends the processes that are left in the world and removes it.
func (w *World) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	for _, n := range w.nodes {
		n.kill()
	}
	for _, n := range w.nodes {
		if n.device != nil {
			_ = n.device.Close()
		}
	}
	w.reading.Wait()
	for _, t := range w.trips {
		t.way.Close()
	}
	var failed []error
	for _, n := range w.nodes {
		if n.up != nil {
			n.up.Close()
			n.down.Close()
		}
		failed = append(failed, run("ip", "netns", "del", n.space))
	}
	return errors.Join(failed...)
}
