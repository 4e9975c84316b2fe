package turnserver

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// uclient runs coturn's client against a server: it echoes messages through two relayed addresses.
func uclient(t *testing.T, address string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Fatal("coturn is missing: run make setup")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "-y", "-c", "-n", "20", "-m", "2", "-p", port, host) // -y: client to client through the relays; -c: no RTCP
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func checkLossless(t *testing.T, out string) {
	t.Helper()
	if !strings.Contains(out, "tot_recv_msgs=40") || !strings.Contains(out, "Total lost packets 0") {
		t.Errorf("coturn's client says:\n%s", out)
	}
}

func TestServesCoturnsClient(t *testing.T) {
	r, address, _, caFile := newSplitRig(t)
	secret := string(testSecret)
	for name, run := range map[string]struct {
		address string
		args    []string
	}{
		"UDP":                     {r.address, []string{"-u", "p1", "-W", secret}},
		"UDP, Send indications":   {r.address, []string{"-u", "p2", "-W", secret, "-s"}},
		"TCP":                     {r.address, []string{"-t", "-u", "p3", "-W", secret}},
		"TLS port shared by HTTP": {address, []string{"-t", "-S", "-E", caFile, "-u", "p4", "-W", secret}},
	} {
		t.Run(name, func(t *testing.T) { checkLossless(t, uclient(t, run.address, run.args...)) })
	}
}

func TestRefusesCoturnsClientWithAnotherSecret(t *testing.T) {
	r := newRig(t, nil)
	path, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Fatal("coturn is missing: run make setup")
	}
	_, port, _ := net.SplitHostPort(r.address)
	out, err := exec.Command(path, "-u", "p1", "-W", "guess", "-y", "-c", "-n", "1", "-p", port, "127.0.0.1").CombinedOutput()
	if err == nil && strings.Contains(string(out), "tot_recv_msgs=1") {
		t.Errorf("let in:\n%s", out)
	}
	if r.Stats().Unauthorized == 0 {
		t.Error("not counted")
	}
}
