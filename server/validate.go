package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gasso/server/room"
)

// Validate says everything that does not fit together, each with what to do next.
func (c *Config) Validate() error {
	var problems []error
	for _, check := range []func() error{
		c.checkFolder, c.checkHTTP, c.checkPlain, c.checkOps, c.checkPorts, c.checkAnnounce, c.checkTLS,
		c.checkPublicURL, c.checkProgram, c.checkLimits, c.checkJournal, c.checkICE, c.checkTURN, c.checkRooms,
	} {
		if err := check(); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (c *Config) checkFolder() error {
	if c.Data == "" {
		return errors.New("data: no folder given: set --data to a folder that the server may write")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("log-format: %q is neither: use text or json", c.LogFormat)
	}
	return nil
}

func (c *Config) checkHTTP() error {
	if err := checkAddress(c.httpAddress()); err != nil {
		return fmt.Errorf("http: %w: use HOST:PORT, as in 127.0.0.1:8080", err)
	}
	if c.Dev && !loopbackHost(c.httpAddress()) {
		return fmt.Errorf("http: %s can be reached from other machines and --dev lets anyone in: use 127.0.0.1:PORT or leave --dev out", c.httpAddress())
	}
	return nil
}

// checkPlain refuses unencrypted HTTP that others could reach.
func (c *Config) checkPlain() error {
	if c.tls() || len(c.BehindProxy) > 0 || loopbackHost(c.httpAddress()) || checkAddress(c.httpAddress()) != nil {
		return nil
	}
	return fmt.Errorf("http: %s would serve without encryption: add --domain NAME, or --tls-cert and --tls-key, or --behind-proxy CIDR when a proxy ends TLS, or listen on 127.0.0.1", c.httpAddress())
}

func (c *Config) checkOps() error {
	if a := c.opsAddress(); a != "" {
		if err := checkAddress(a); err != nil {
			return fmt.Errorf("ops: %w: use HOST:PORT, as in 127.0.0.1:9090, or off", err)
		}
		if c.Dev && !loopbackHost(a) {
			return fmt.Errorf("ops: %s can be reached from other machines: under --dev use 127.0.0.1:PORT or off", a)
		}
	}
	return nil
}

func (c *Config) checkPorts() error {
	first, last, err := c.udpPorts()
	if err != nil || first < 0 || last > 65535 || last < first {
		return fmt.Errorf("rtc-udp: %q is no port and no range: use PORT as in 10000, or MIN-MAX as in 10000-10003", c.RTCUDP)
	}
	if last-first > 100 {
		return fmt.Errorf("rtc-udp: %s are %d ports: one port serves many performers, use at most 101", c.RTCUDP, last-first+1)
	}
	if first == 0 && last > 0 {
		return fmt.Errorf("rtc-udp: %s starts at 0: use 0 alone for any port", c.RTCUDP)
	}
	if tcp, err := c.tcpPort(); err != nil || tcp < -1 || tcp > 65535 {
		return fmt.Errorf("rtc-tcp: %q is no port: use a number from 0 to 65535, or off", c.RTCTCP)
	}
	return nil
}

func (c *Config) checkAnnounce() error {
	if _, err := c.announced(); err != nil {
		return fmt.Errorf("announce: %w: give the IP address under which performers reach this machine", err)
	}
	if _, err := c.proxies(); err != nil {
		return fmt.Errorf("behind-proxy: %w: give the proxy's network, as in 10.0.0.0/8 or 127.0.0.1", err)
	}
	return nil
}

func (c *Config) checkTLS() error {
	ways := 0
	for _, on := range []bool{c.Domain != "", c.TLSCert != "" || c.TLSKey != "", len(c.BehindProxy) > 0} {
		if on {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("domain, tls-cert and behind-proxy are three ways to the same end: give one of them")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("tls-cert and tls-key belong together: give both files")
	case strings.ContainsAny(c.Domain, ":/ "):
		return fmt.Errorf("domain: %q is no name: give a host name such as live.example.org", c.Domain)
	}
	if u, err := url.Parse(c.ACME.URL); c.Domain != "" && (err != nil || u.Scheme != "https") {
		return fmt.Errorf("acme.url: %q is not an https address: give the authority's directory", c.ACME.URL)
	}
	return nil
}

func (c *Config) checkPublicURL() error {
	if c.PublicURL == "" {
		if len(c.BehindProxy) > 0 {
			return errors.New("public-url: behind a proxy the server cannot know its address: add --public-url https://NAME")
		}
		if c.Domain == "" && everyHost(c.httpAddress()) {
			return errors.New("public-url: links need a name: add --public-url https://NAME")
		}
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("public-url: %q is no web address: use https://NAME", c.PublicURL)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("public-url: %q has a path: the server needs a host name of its own, use https://NAME", c.PublicURL)
	case u.Scheme == "http" && !c.Dev && !loopbackHost(net.JoinHostPort(u.Hostname(), "80")):
		return fmt.Errorf("public-url: %q is not encrypted: use https://", c.PublicURL)
	}
	return nil
}

func (c *Config) checkProgram() error {
	if c.Delay < 100*time.Millisecond || c.Delay > time.Minute {
		return fmt.Errorf("program-delay: %s is out of range: use 100ms to 1m", c.Delay)
	}
	if c.FFmpeg == "" {
		return errors.New("ffmpeg: empty: give the path or name of the program, or off")
	}
	return nil
}

func (c *Config) checkLimits() error {
	for _, l := range []struct {
		name            string
		value, low, top int
	}{
		{"rooms", c.Limits.Rooms, 1, 10000},
		{"participants", c.Limits.Participants, 1, room.MostParticipants},
		{"memory-mb", c.Limits.MemoryMB, 1, 1 << 20},
		{"packets-per-second", c.Limits.PacketsPerSecond, 100, 100000},
		{"connections", c.Limits.Connections, 0, 1 << 20},
	} {
		if l.value < l.low || l.value > l.top {
			return fmt.Errorf("limits.%s: %d is out of range: use %d to %d", l.name, l.value, l.low, l.top)
		}
	}
	return nil
}

func (c *Config) checkICE() error {
	for _, s := range c.ICEServers {
		if len(s.URLs) == 0 {
			return errors.New("ice-servers: an entry has no urls: add stun:HOST:PORT or turn:HOST:PORT")
		}
		for _, u := range s.URLs {
			scheme, rest, ok := strings.Cut(u, ":")
			if !ok || rest == "" || scheme != "stun" && scheme != "stuns" && scheme != "turn" && scheme != "turns" {
				return fmt.Errorf("ice-servers: %q is neither STUN nor TURN: use stun:HOST:PORT or turn:HOST:PORT", u)
			}
			if strings.HasPrefix(scheme, "turn") && (s.Username == "" || s.Credential == "") && (s.Username != "" || c.TURNSecret == "") {
				return fmt.Errorf("ice-servers: %q needs username and credential, or turn-secret: write them in the configuration file", u)
			}
		}
	}
	return nil
}

func (c *Config) checkRooms() error {
	seen := map[string]bool{}
	for _, r := range c.Rooms {
		if !room.ValidID(r.ID) {
			return fmt.Errorf("rooms: %q is no room id: use 1 to 64 letters, digits, - or _", r.ID)
		}
		if seen[r.ID] {
			return fmt.Errorf("rooms: %q is there twice: keep one", r.ID)
		}
		seen[r.ID] = true
	}
	return nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return nil
}
