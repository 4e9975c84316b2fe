package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
)

// badNetwork is a world with a server and two performers behind routers.
type badNetwork struct {
	world      *netns.World
	routers    [2]*netns.Node
	hosts      [2]*netns.Node
	performers [2]*performer
	server     *netns.Node
	serving    *process
	dir        string
}

// newBadNetwork starts a server; performers come with join.
func newBadNetwork(t *testing.T, nat netns.NAT) *badNetwork {
	t.Helper()
	world, err := netns.New(1)
	if errors.Is(err, netns.ErrRefused) {
		t.Skip("not tested: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	n := &badNetwork{world: world, dir: shortDir(t)}
	if n.server, err = world.Host("server"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"Aki", "Ren"} {
		if n.routers[i], err = world.Router("home-"+name, nat); err == nil {
			n.hosts[i], err = n.routers[i].Host(name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n.certify(t)
	config := []byte("rooms:\n  - id: demo\n    open: true\n")
	if err := os.WriteFile(filepath.Join(n.dir, "server.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	n.serve(t)
	return n
}

// certify makes a certificate for the server's address, signed by itself.
func (n *badNetwork) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(n.server.Address().String())}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(n.dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serve starts the server, again with what it kept.
func (n *badNetwork) serve(t *testing.T) {
	t.Helper()
	n.serving = launch(t, n.server.Command(filepath.Join(root, "bin/gasso-server"), "serve", "--config", filepath.Join(n.dir, "server.yaml"),
		"--data", filepath.Join(n.dir, "data"), "--http", n.server.Address().String()+":443", "--ops", "off",
		"--tls-cert", filepath.Join(n.dir, "cert.pem"), "--tls-key", filepath.Join(n.dir, "key.pem")))
}

// join starts both performers and waits until they hear each other.
func (n *badNetwork) join(t *testing.T, args ...string) {
	t.Helper()
	for i := range n.hosts {
		n.perform(t, i, args...)
	}
	n.hear(t, "at first")
}

// perform starts one of the performers, again if need be.
func (n *badNetwork) perform(t *testing.T, i int, args ...string) *performer {
	t.Helper()
	n.performers[i] = n.performAt(t, n.hosts[i], args...)
	return n.performers[i]
}

// performAt starts a performer with the name of a host in it.
func (n *badNetwork) performAt(t *testing.T, host *netns.Node, args ...string) *performer {
	t.Helper()
	dir := t.TempDir()
	p := &performer{name: host.Name(), stats: filepath.Join(dir, "stats.ndjson"), heard: filepath.Join(dir, "heard.wav")}
	all := append([]string{"headless", "--server", "https://" + n.server.Address().String(), "--ca", filepath.Join(n.dir, "cert.pem"), "--room", "demo",
		"--name", p.name, "--input", "tone:440", "--stats", p.stats, "--output", "file:" + p.heard}, args...)
	c := host.Command(filepath.Join(root, "bin/gasso"), all...)
	c.Env = append(cleanEnviron(), "HOME="+dir)
	p.process = launch(t, c)
	return p
}

// hear waits until both have a second's packets more of each other than now.
func (n *badNetwork) hear(t *testing.T, when string) {
	t.Helper()
	for _, p := range n.performers {
		packets := func() int64 {
			if others := p.last().Performers; len(others) == 1 {
				return others[0].PacketsDirect + others[0].PacketsForward
			}
			return 0
		}
		before := packets()
		eventually(t, 30*time.Second, p.name+" hears the other one "+when, func() bool { return packets() > before+100 })
	}
}

// launch runs a command until the test ends.
func launch(t *testing.T, c *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(c.Path), cmd: c, stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	c.Stdout, c.Stderr = p.stdout, p.stderr
	if c.Env == nil {
		c.Env = cleanEnviron()
	}
	p.run()
	return p
}

func TestPerformersConnectWhereOnlyHTTPSPasses(t *testing.T) {
	n := newBadNetwork(t, netns.Symmetric)
	for _, r := range n.routers {
		if err := r.Firewall(netns.OnlyHTTPS); err != nil {
			t.Fatal(err)
		}
	}
	n.join(t)
}

func TestPerformersOutliveWhatNetworksDo(t *testing.T) {
	n := newBadNetwork(t, netns.PortRestricted)
	n.join(t, "--topology", "sfu") // whoever is heard then is in the room
	id := n.performers[1].last().ParticipantID
	elsewhere, err := n.world.Router("elsewhere", netns.PortRestricted)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		when   string
		happen func() error
	}{
		{"after a blackout", func() error {
			n.hosts[1].Set(netsim.Conditions{Blackout: true})
			time.Sleep(2 * time.Second) // the kernel's clock cannot be a parameter
			n.hosts[1].Set(netsim.Conditions{})
			return nil
		}},
		{"in another network", func() error { return n.hosts[1].MoveTo(elsewhere) }},
		{"after the server was killed", func() error {
			n.serving.signal(syscall.SIGKILL)
			<-n.serving.ended
			n.serve(t)
			return nil
		}},
	} {
		if err := c.happen(); err != nil {
			t.Fatal(err)
		}
		n.hear(t, c.when)
		if now := n.performers[1].last().ParticipantID; now != id {
			t.Errorf("%s: participant %s became %s", c.when, id, now)
		}
	}
}
