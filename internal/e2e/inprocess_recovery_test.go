package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gasso/app/session"
	"gasso/internal/netsim"
)

// TestInProcessSignalingBreaks resets the one TCP connection of a performer: the others notice nothing.
func TestInProcessSignalingBreaks(t *testing.T) {
	noLeaks(t)
	base, _ := inProcessServer(t, shortDir(t), "127.0.0.1:0")
	relay, err := netsim.NewRelay("tcp", strings.TrimPrefix(base, "http://"), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	ai, _ := inProcessPerformer(t, session.Config{Server: "http://" + relay.Addr(), Name: "Ai", Input: "tone:440"})
	ben, _ := inProcessPerformer(t, session.Config{Server: base, Name: "Ben", Input: "tone:660"})
	before := hearsInProcess(t, ben)
	hearsInProcess(t, ai)
	self, flows := ai.Snapshot().Self.ID, relay.Counters().Flows

	began := time.Now()
	relay.Reset()
	eventually(t, 10*time.Second, "Ai is connected again", func() bool {
		return relay.Counters().Flows > flows && ai.Snapshot().State == session.StateJoined
	})
	t.Logf("resumed after %v", time.Since(began))
	after := hearsInProcess(t, ben)
	if after.ID != before.ID || ai.Snapshot().Self.ID != self || len(ben.Snapshot().Performers) != 1 {
		t.Errorf("Ai was %s, is %s at Ben's and %s at Ai's, of %d performers", before.ID, after.ID, ai.Snapshot().Self.ID, len(ben.Snapshot().Performers))
	}
	if after.Link.PacketsDirect < before.Link.PacketsDirect {
		t.Error("the direct connection was made anew")
	}
	if err := ai.SendChat("still here"); err != nil {
		t.Error(err)
	}
	eventually(t, 5*time.Second, "Ben reads Ai's line", func() bool {
		chat := ben.Snapshot().Chat
		return len(chat) == 1 && chat[0].FromID == self
	})
}

// TestInProcessWithoutDNS joins at the address that an earlier start has kept.
func TestInProcessWithoutDNS(t *testing.T) {
	noLeaks(t)
	base, _ := inProcessServer(t, shortDir(t), "127.0.0.1:0")
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	// A server on this machine alone refuses other names, so the name ends here.
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(front.Close)
	at, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	book := filepath.Join(t.TempDir(), "addresses.json")
	kept, err := json.Marshal(map[string]string{"ws://gasso.invalid:" + at.Port() + "/ws": at.Host})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(book, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	ai, _ := inProcessPerformer(t, session.Config{Server: "http://gasso.invalid:" + at.Port(), Name: "Ai", Input: "tone:440", AddressFile: book})
	eventually(t, 10*time.Second, "Ai has joined and is told", func() bool {
		snap := ai.Snapshot()
		return snap.State == session.StateJoined && strings.Contains(snap.Problem, "last known address is used")
	})
}
