package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gasso/app/session"
	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
	"gasso/net/packet"
	"gasso/server/journal"
)

func TestPerformersConnectDirectlyOrByRelayBehindSymmetricTranslators(t *testing.T) {
	n := newBadNetwork(t, netns.Symmetric)
	n.join(t, "--topology", "p2p") // the server forwards nothing
	for _, p := range n.performers {
		if other := p.last().Performers[0]; !other.Direct || other.PacketsForward != 0 {
			t.Errorf("%s hears %+v", p.name, other)
		}
	}
}

// TestPerformersOutliveWhatBreaks breaks one thing after another in one show: each time the same two
// hear each other again.
func TestPerformersOutliveWhatBreaks(t *testing.T) {
	n := newBadNetwork(t, netns.PortRestricted)
	spool := t.TempDir()
	n.join(t, "--spool-dir", spool)
	ids := [2]string{n.performers[0].last().ParticipantID, n.performers[1].last().ParticipantID}
	for _, c := range []struct {
		when   string
		happen func(t *testing.T)
	}{
		{"when the direct path has died", n.killDirectPath},
		{"when signaling was reset", n.resetSignaling},
		{"when the server was asked to end and started again", n.restartServer},
		{"when the app was killed without a network", func(t *testing.T) { n.killApp(t, spool) }},
	} {
		began := time.Now()
		c.happen(t)
		n.hear(t, c.when)
		for i, p := range n.performers {
			if last := p.last(); last.ParticipantID != ids[i] || len(last.Performers) != 1 || last.Performers[0].ID != ids[1-i] {
				t.Errorf("%s %s is %s and hears %+v, they were %v", c.when, p.name, last.ParticipantID, last.Performers, ids)
			}
		}
		t.Logf("%s: %v", c.when, time.Since(began))
	}
}

// killDirectPath leaves the way over the server, which then carries the sound.
func (n *badNetwork) killDirectPath(t *testing.T) {
	carried := func(count func(direct, forwarded int64) int64) func() bool {
		var before [2]int64
		read := func(i int) int64 {
			other := n.performers[i].last().Performers
			if len(other) != 1 {
				return 0
			}
			return count(other[0].PacketsDirect, other[0].PacketsForward)
		}
		before[0], before[1] = read(0), read(1)
		return func() bool { return read(0) > before[0]+100 && read(1) > before[1]+100 }
	}
	direct := func(direct, _ int64) int64 { return direct }
	eventually(t, 20*time.Second, "the direct path carries sound", carried(direct))
	n.world.SetBetween(n.routers[0], n.routers[1], netsim.Conditions{Blackout: true})
	eventually(t, 20*time.Second, "the way over the server carries sound", carried(func(_, forwarded int64) int64 { return forwarded }))
	n.world.SetBetween(n.routers[0], n.routers[1], netsim.Conditions{})
	eventually(t, 30*time.Second, "the direct path carries sound again", carried(direct))
}

// resetSignaling kills the one TCP connection; the direct link stays what it is.
func (n *badNetwork) resetSignaling(t *testing.T) {
	to := n.server.Address().String()
	ports := func() []string { // the local ends of connections with the server
		out, err := n.hosts[1].Command("ss", "-Htn", "state", "established", "dst", to, "dport", "=", "443").Output()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) >= 3 {
				all = append(all, f[2])
			}
		}
		return all
	}
	old := ports()
	before := n.performers[1].last().Performers[0].PacketsDirect
	if out, err := n.hosts[1].Command("ss", "-K", "dst", to, "dport", "=", "443").CombinedOutput(); err != nil {
		t.Logf("signaling is not reset, since ss cannot do that here: %v %s", err, out)
		return
	}
	eventually(t, 20*time.Second, "there is another connection with the server", func() bool {
		return slices.ContainsFunc(ports(), func(p string) bool { return !slices.Contains(old, p) })
	})
	if after := n.performers[1].last().Performers; len(old) == 0 || len(after) != 1 || after[0].PacketsDirect < before {
		t.Errorf("with %v reset the direct link was made anew: %d packets, then %+v", old, before, after)
	}
}

func (n *badNetwork) restartServer(t *testing.T) {
	n.serving.signal(syscall.SIGTERM)
	if code := n.serving.exitCode(60 * time.Second); code != 0 {
		t.Errorf("the server ends with %d", code)
	}
	n.serve(t)
}

// killApp kills the second performer while it is cut off. What it had encoded arrives after its restart.
func (n *badNetwork) killApp(t *testing.T, spool string) {
	app := n.performers[1]
	n.hosts[1].Set(netsim.Conditions{Blackout: true})
	time.Sleep(3 * time.Second) // the kernel's clock cannot be a parameter
	app.kill()
	all := app.last().Publications
	if len(all) == 0 {
		t.Fatal("nothing was encoded")
	}
	n.hosts[1].Set(netsim.Conditions{})
	n.perform(t, 1, "--spool-dir", spool)
	for _, sent := range all {
		eventually(t, 30*time.Second, "the journal has what was encoded until the last line of statistics", func() bool {
			return sent.Packets == 0 || n.holds(t, sent)
		})
	}
}

// holds tells whether the journal has the first packets of a publication as they were sent.
func (n *badNetwork) holds(t *testing.T, sent session.PublicationSum) bool {
	t.Helper()
	dir := filepath.Join(n.dir, "data", "journal")
	names, err := journal.Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[int64][]byte{}
	for _, name := range names {
		if !strings.HasSuffix(name, "/"+sent.ID+".journal") {
			continue
		}
		if _, err := journal.Read(dir, name, func(p *packet.Packet) error {
			payloads[p.Number] = bytes.Clone(p.Payload)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.New()
	for number := range sent.Packets {
		payload, there := payloads[number]
		if !there {
			return false
		}
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(number)))
		sum.Write(payload)
	}
	return hex.EncodeToString(sum.Sum(nil)) == sent.SHA256
}
