package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"gasso/internal/netsim"
)

const (
	lineName  = "net0" // the interface toward the network, in every namespace
	linkBytes = "1500"
)

// Node is a host or a router. One goroutine changes it.
type Node struct {
	world   *World
	name    string
	space   string     // name of the namespace
	address netip.Addr // toward the network
	gateway netip.Addr // the router's; public nodes have none

	device   *os.File // nil behind a router
	up, down *netsim.Path
	seeUp    atomic.Pointer[func([]byte)]
	seeDown  atomic.Pointer[func([]byte)]
	router   *Node // nil when public
	subnets  int   // given to hosts behind this router
}

// Name returns the name that it was added under.
func (n *Node) Name() string { return n.name }

// Address returns the node's own address, which is private behind a router.
func (n *Node) Address() netip.Addr { return n.address }

// line returns the node whose line to the network this one uses.
func (n *Node) line() *Node {
	if n.router != nil {
		return n.router.line()
	}
	return n
}

// connect gives the node a line of its own with a public address.
func (n *Node) connect() error {
	device, err := n.tunnel(lineName)
	if err != nil {
		return fmt.Errorf("open a TUN device: %w", err)
	}
	w := n.world
	w.mu.Lock()
	up, down := netsim.NewPath(w.seed+1), netsim.NewPath(w.seed+2)
	w.seed += 2
	n.device, n.up, n.down = device, up, down
	w.mu.Unlock()
	n.address = w.publicAddress(n)
	if err := n.ip("addr", "add", n.address.String()+"/32", "dev", lineName); err != nil {
		return err
	}
	if err := n.LinkUp(); err != nil {
		return err
	}
	w.reading.Go(func() { w.runSwitch(n) })
	return nil
}

// Host adds a host behind a router, in a network of its own.
func (n *Node) Host(name string) (*Node, error) {
	host, err := n.world.namespace(name)
	if err != nil {
		return nil, err
	}
	return host, host.attach(n)
}

// attach connects a host to a router.
func (n *Node) attach(router *Node) error {
	router.subnets++
	lan := fmt.Sprint("lan", router.subnets)
	n.router = router
	n.gateway = netip.AddrFrom4([4]byte{192, 168, byte(router.subnets), 1})
	n.address = n.gateway.Next()
	if err := run("ip", "link", "add", lineName, "netns", n.space, "mtu", linkBytes, "type", "veth", "peer", "name", lan, "netns", router.space); err != nil {
		return err
	}
	for _, c := range []struct {
		at   *Node
		args []string
	}{
		{router, []string{"addr", "add", n.gateway.String() + "/24", "dev", lan}},
		{router, []string{"link", "set", lan, "up"}},
		{n, []string{"addr", "add", n.address.String() + "/24", "dev", lineName}},
	} {
		if err := c.at.ip(c.args...); err != nil {
			return err
		}
	}
	return n.LinkUp()
}

// MoveTo takes a host from its router to another one, as a laptop that changes from one Wi-Fi to
// another: its interface vanishes and comes back with another address.
func (n *Node) MoveTo(router *Node) error {
	if n.router == nil {
		return fmt.Errorf("move %s: it is not behind a router", n.name)
	}
	if err := n.ip("link", "del", lineName); err != nil {
		return err
	}
	return n.attach(router)
}

// ChangeAddress gives the node another address and takes the old one away. Behind a router the
// network stays, on a public node the new address is another public one.
func (n *Node) ChangeAddress() error {
	old, bits := n.address, "/24"
	if n.router == nil {
		n.address, bits = n.world.publicAddress(n), "/32"
		defer n.world.dropAddress(old)
	} else {
		n.address = old.Next()
	}
	if err := n.ip("addr", "del", old.String()+bits, "dev", lineName); err != nil {
		return err
	}
	if err := n.ip("addr", "add", n.address.String()+bits, "dev", lineName); err != nil {
		return err
	}
	return n.LinkUp()
}

// LinkDown takes the node's interface down, as a cable that is pulled: programs are told.
func (n *Node) LinkDown() error { return n.ip("link", "set", lineName, "down") }

// LinkUp takes the node's interface up again, with its route.
func (n *Node) LinkUp() error {
	if err := n.ip("link", "set", lineName, "up"); err != nil {
		return err
	}
	if n.router != nil {
		return n.ip("route", "replace", "default", "via", n.gateway.String(), "dev", lineName)
	}
	return n.ip("route", "replace", "default", "dev", lineName)
}

// Set changes the conditions of the node's line, or its router's, in both directions at once.
func (n *Node) Set(c netsim.Conditions) { n.SetUp(c); n.SetDown(c) }

// SetUp changes the conditions of what the node's line sends.
func (n *Node) SetUp(c netsim.Conditions) { n.line().up.Set(c) }

// SetDown changes the conditions of what the node's line receives.
func (n *Node) SetDown(c netsim.Conditions) { n.line().down.Set(c) }

// Counters returns what passed the node's line.
func (n *Node) Counters() (up, down netsim.Counters) {
	l := n.line()
	return l.up.Counters(), l.down.Counters()
}

// SetMappings sets after how long a router forgets a UDP mapping that nothing passes.
func (n *Node) SetMappings(life time.Duration) error {
	value := strconv.Itoa(max(1, int(life.Seconds())))
	return errors.Join(n.sysctl("netfilter/nf_conntrack_udp_timeout", value), n.sysctl("netfilter/nf_conntrack_udp_timeout_stream", value))
}

// sysctl sets a value of the node's network stack.
func (n *Node) sysctl(name, value string) error {
	return n.Do(func() error {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("set %s in %s: %w", name, n.name, err)
		}
		return nil
	})
}
