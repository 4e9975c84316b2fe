package netns

import (
	"fmt"
	"strings"
)

// NAT is how a router translates addresses (RFC 4787).
type NAT int

const (
	// PortRestricted keeps a host's port toward everybody, and lets in only who was sent to.
	PortRestricted NAT = iota
	// Symmetric takes another, random port toward each destination.
	Symmetric
)

// Rules of nft for Firewall.
const (
	NoUDP     = "meta l4proto udp drop"
	OnlyHTTPS = "tcp dport 443 accept\ntcp sport 443 accept\ndrop" // nothing but tcp/443 passes
)

// translate makes a router of a node. What nobody behind it asked for is dropped before it takes a
// mapping, as home routers do.
func (n *Node) translate(nat NAT) error {
	how := "masquerade"
	if nat == Symmetric {
		how = "masquerade random,fully-random"
	}
	if err := n.sysctl("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return n.nft(fmt.Sprintf(`table ip translation {
	chain out {
		type nat hook postrouting priority 100
		oifname %[1]q %[2]s
	}
	chain unasked {
		type filter hook input priority 0
		iifname %[1]q ct state new meta l4proto { tcp, udp } drop
	}
	chain strange {
		type filter hook forward priority -1
		iifname %[1]q ct state new drop
	}
}
`, lineName, how))
}

// Firewall replaces what the node lets in, out and through by nft rules, one a line; NoUDP and
// OnlyHTTPS are examples. Without rules everything passes.
func (n *Node) Firewall(rules ...string) error {
	text := strings.Join(rules, "\n") + "\n"
	var b strings.Builder
	b.WriteString("table inet firewall\ndelete table inet firewall\ntable inet firewall {\n")
	for _, hook := range []string{"input", "output", "forward"} {
		fmt.Fprintf(&b, "chain %s {\ntype filter hook %[1]s priority 10\niifname lo accept\noifname lo accept\n%s}\n", hook, text)
	}
	b.WriteString("}\n")
	return n.nft(b.String())
}
