package server

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// off is what an operator writes for "not at all".
const off = "off"

// httpAddress is where HTTP listens.
func (c *Config) httpAddress() string {
	switch {
	case c.HTTP != "":
		return c.HTTP
	case c.tls():
		return ":443"
	default:
		return "127.0.0.1:8080"
	}
}

// opsAddress is where health and metrics listen, "" for nowhere.
func (c *Config) opsAddress() string {
	if c.Ops == off {
		return ""
	}
	if c.Ops != "" {
		return c.Ops
	}
	if _, port, err := net.SplitHostPort(c.httpAddress()); err == nil && port == "0" {
		return "127.0.0.1:0"
	}
	return "127.0.0.1:9090"
}

// tls tells whether the server itself ends TLS.
func (c *Config) tls() bool { return c.Domain != "" || c.TLSCert != "" }

// udpPorts are the first and last port of RTCUDP.
func (c *Config) udpPorts() (first, last int, err error) {
	a, b, ranged := strings.Cut(c.RTCUDP, "-")
	if first, err = strconv.Atoi(strings.TrimSpace(a)); err != nil || !ranged {
		return first, first, err
	}
	last, err = strconv.Atoi(strings.TrimSpace(b))
	return first, last, err
}

// tcpPort is the port of RTCTCP, -1 for none.
func (c *Config) tcpPort() (int, error) {
	switch c.RTCTCP {
	case off:
		return -1, nil
	case "":
		first, _, err := c.udpPorts()
		return first, err
	default:
		return strconv.Atoi(c.RTCTCP)
	}
}

// proxies are the networks of BehindProxy.
func (c *Config) proxies() ([]netip.Prefix, error) { return networks(c.BehindProxy) }

// networks reads networks; a bare address counts as a network of one.
func networks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, s := range texts {
		if a, err := netip.ParseAddr(s); err == nil {
			networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, err
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}

// announced are the addresses of Announce.
func (c *Config) announced() ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, s := range c.Announce {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, a)
	}
	return addresses, nil
}

// base is the address that links start with, without a slash at the end. listening is where HTTP
// really listens.
func (c *Config) base(listening net.Addr) string {
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/")
	}
	_, port, _ := net.SplitHostPort(listening.String())
	if c.Domain != "" {
		if port == "443" {
			return "https://" + c.Domain
		}
		return "https://" + net.JoinHostPort(c.Domain, port)
	}
	scheme := "http"
	if c.tls() {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: listening.String()}).String()
}

// loopbackHost tells whether a listening address is reached from this machine only.
func loopbackHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// everyHost tells whether a listening address names no host, so that links cannot be made from it.
func everyHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
