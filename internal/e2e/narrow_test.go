package e2e

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gasso/app/session"
	"gasso/internal/netsim"
	"gasso/internal/netsim/netns"
)

// TestBitrateBoundsReachTheWire counts the bits on two lines: one carries less than the least that its
// encoder may be set to, the other one much more than the most.
func TestBitrateBoundsReachTheWire(t *testing.T) {
	const least, most, span = 160_000, 24_000, 4 * time.Second
	n := newBadNetwork(t, netns.PortRestricted)
	noise := filepath.Join(t.TempDir(), "noise.wav")
	run(t, nil, "sox", "-n", "-r", "48000", "-b", "16", "-c", "1", noise, "synth", "10", "whitenoise", "gain", "-12")
	common := []string{"--topology", "sfu", "--mode", "safe", "--input", "file:" + noise + "?loop", "--output", "null", "--bitrate", "160000"}
	n.perform(t, 0, append(common, "--bitrate-min", "160000")...)
	n.perform(t, 1, append(common, "--bitrate-max", "24000")...)
	n.hear(t, "with bounds")
	n.hosts[0].SetUp(netsim.Conditions{RateBPS: 150_000, QueueBytes: 4 << 10})
	eventually(t, 10*time.Second, "the narrow uplink is noticed", func() bool { return n.performers[0].last().LimitedBy != "" })
	sent := func() (up [2]int64) {
		for i, host := range n.hosts {
			counted, _ := host.Counters()
			up[i] = counted.Bytes
		}
		return up
	}
	before, began := sent(), time.Now()
	time.Sleep(span) // the kernel's clock cannot be a parameter
	after, took := sent(), time.Since(began).Seconds()
	var rates [2]float64
	for i := range rates {
		rates[i] = 8 * float64(after[i]-before[i]) / took
	}
	t.Logf("with at least %d bit/s %.0f go up, with at most %d %.0f", least, rates[0], most, rates[1])
	const headers = 100 * 8 * (20 + 8 + 12) // of IP, UDP and RTP, of 100 packets a second
	if rates[0] < least+headers {
		t.Errorf("with at least %d bit/s only %.0f go up", least, rates[0])
	}
	if rates[1] < headers || rates[1] > most+3*headers { // with encryption, extensions and feedback
		t.Errorf("with at most %d bit/s %.0f go up", most, rates[1])
	}
}

// TestAReceiverShortOfDownlinkHearsEverybodyInASmallMix narrows the line of one of three: it hears the two
// others, and not itself.
func TestAReceiverShortOfDownlinkHearsEverybodyInASmallMix(t *testing.T) {
	n := newBadNetwork(t, netns.PortRestricted)
	third, err := n.world.Host("Noor")
	if err != nil {
		t.Fatal(err)
	}
	n.perform(t, 0)
	n.performAt(t, third, "--input", "tone:660")
	limited := n.perform(t, 1, "--input", "tone:880")
	limited.hears(2)
	n.hosts[1].SetDown(netsim.Conditions{RateBPS: 200_000, QueueBytes: 16 << 10})
	eventually(t, 20*time.Second, "the mix is what comes", func() bool { return limited.last().Receiving == session.ReceivesMix })
	mixed := len(readWAV(t, limited.heard))
	eventually(t, 15*time.Second, "seconds of both tones are heard in it", func() bool {
		return len(readWAV(t, limited.heard)) > mixed+3*96000 && limited.lastHeardAtLeast(toneDB-3, 440, 660)
	})
	last, own := limited.last(), level(lastSeconds(readWAV(t, limited.heard), 2), 880)
	t.Logf("the own tone is at %.1f dB", own)
	if last.Receiving != session.ReceivesMix || own > toneDB-30 {
		t.Errorf("it receives %s, and hears itself at %.1f dB", last.Receiving, own)
	}
	for _, f := range last.Findings {
		if f.Kind == session.BetweenDead || f.Kind == session.TheirUnheard {
			t.Errorf("a performer who is heard in the mix is said to be missing: %+v", f)
		}
	}
}

// TestFindingsNameTheSideThatLoses has one performer's uplink lose packets: it is told so, the other one is
// told whose side it is, and so is a window, until the line is well again.
func TestFindingsNameTheSideThatLoses(t *testing.T) {
	n := newBadNetwork(t, netns.PortRestricted)
	n.join(t)
	listener, err := n.world.Host("Window")
	if err != nil {
		t.Fatal(err)
	}
	w := openWindowIn(t, listener, startScreen(t), "--join", "--name", "Noor", "--input", "silence", "--output", "null", "--ca", filepath.Join(n.dir, "cert.pem"),
		"https://"+n.server.Address().String()+"/join/demo")
	w.centre("strip.Aki.meter")
	aki, ren := n.performers[0], n.performers[1]
	says := func(p *performer, kind session.FindingKind, id string) bool {
		return slices.ContainsFunc(p.last().Findings, func(f finding) bool {
			return f.Kind == kind && f.ParticipantID == id && (f.LostRatio == 0 || f.LostRatio > 0.03 && f.LostRatio < 0.25)
		})
	}
	eventually(t, 20*time.Second, "nothing is wrong", func() bool { return len(aki.last().Findings)+len(ren.last().Findings) == 0 && !w.shows("banner") })
	id := aki.last().ParticipantID
	n.hosts[0].SetUp(netsim.Conditions{Loss: 0.1})
	eventually(t, 20*time.Second, "Aki is told of the own upload", func() bool { return says(aki, session.OwnUpload, "") })
	eventually(t, 10*time.Second, "Ren is told of Aki's upload", func() bool { return says(ren, session.TheirUpload, id) })
	eventually(t, 10*time.Second, "the window says so", func() bool { return w.shows("banner") })
	if says(ren, session.OwnUpload, "") || says(ren, session.OwnDownload, "") || says(ren, session.BetweenLost, id) {
		t.Errorf("the wrong side is named: %+v", ren.last().Findings)
	}
	n.hosts[0].SetUp(netsim.Conditions{})
	eventually(t, 25*time.Second, "all is well again", func() bool { return len(aki.last().Findings)+len(ren.last().Findings) == 0 && !w.shows("banner") })
}

// openWindowIn opens the app's window in a node of a world.
func openWindowIn(t *testing.T, in *netns.Node, s *screen, args ...string) *window {
	t.Helper()
	home := t.TempDir()
	w := &window{screen: s, plan: filepath.Join(home, "controls.json")}
	binary, err := filepath.Abs(filepath.Join(root, "bin/gasso"))
	if err != nil {
		t.Fatal(err)
	}
	c := in.Command(binary, args...)
	c.Env = append(cleanEnviron(), "DISPLAY="+s.display, "HOME="+home, "XDG_CONFIG_HOME="+home, "GASSO_UI_MAP="+w.plan, "LANG=en_US.UTF-8")
	w.process = launch(t, c)
	return w
}
