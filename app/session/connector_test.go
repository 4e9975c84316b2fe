package session

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gasso/net/signaling"
)

// attempt is how one attempt of a race goes.
type attemptPlan struct {
	takes time.Duration
	fails error
}

var errRefused = errors.New("refused")

// runRace races on simulated time and returns what won, how long that took and how many attempts began.
func runRace(t *testing.T, kicks []time.Duration, seconds bool, plan func(n int, at time.Duration, second bool) attemptPlan) (winner int, took time.Duration, begun, discarded int, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), dialTimeout)
		defer cancel()
		kick := make(chan struct{}, 1)
		for _, at := range kicks {
			time.AfterFunc(at, func() { kick <- struct{}{} })
		}
		start := time.Now()
		begin := make(chan int, 1)
		begin <- 0
		winner, err = race(ctx, kick, seconds, func(ctx context.Context, second bool) (int, error) {
			n := <-begin
			begin <- n + 1
			p := plan(n, time.Since(start), second)
			select {
			case <-time.After(p.takes):
				return n, p.fails
			case <-ctx.Done():
				return n, ctx.Err()
			}
		}, func(int) { discarded++ })
		took, begun = time.Since(start), <-begin
	})
	return winner, took, begun, discarded, err
}

func TestTheFirstConnectionWins(t *testing.T) {
	quick := func(n int, _ time.Duration, _ bool) attemptPlan { return attemptPlan{takes: 30 * time.Millisecond} }
	if n, took, begun, _, err := runRace(t, nil, false, quick); n != 0 || begun != 1 || took != 30*time.Millisecond || err != nil {
		t.Errorf("attempt %d of %d won after %v: %v", n, begun, took, err)
	}
}

// TestANetworkThatIsBackIsNoticedSoon: what was sent into the outage is repeated too late by TCP.
func TestANetworkThatIsBackIsNoticedSoon(t *testing.T) {
	const back = 5 * time.Second
	plan := func(_ int, at time.Duration, _ bool) attemptPlan {
		if at < back {
			return attemptPlan{takes: time.Hour}
		}
		return attemptPlan{takes: 50 * time.Millisecond}
	}
	_, took, begun, _, err := runRace(t, nil, false, func(n int, at time.Duration, second bool) attemptPlan {
		p := plan(n, at, second)
		p.takes = min(p.takes, attemptTimeout)
		if p.takes == attemptTimeout {
			p.fails = errRefused
		}
		return p
	})
	if err != nil || took-back > attemptEvery+50*time.Millisecond || begun > 9 {
		t.Errorf("%v after the network was back, %d attempts: %v", took-back, begun, err)
	}
	_, took, _, _, err = runRace(t, []time.Duration{back + time.Millisecond}, false, plan)
	if err != nil || took > back+60*time.Millisecond {
		t.Errorf("with a hint it took %v: %v", took-back, err)
	}
}

func TestARefusalEndsTheRace(t *testing.T) {
	_, took, begun, _, err := runRace(t, nil, false, func(int, time.Duration, bool) attemptPlan {
		return attemptPlan{takes: 10 * time.Millisecond, fails: errRefused}
	})
	if !errors.Is(err, errRefused) || begun != 1 || took != 10*time.Millisecond {
		t.Errorf("after %v and %d attempts: %v", took, begun, err)
	}
}

func TestTheSecondWayIsTriedAtOnce(t *testing.T) {
	n, took, _, _, err := runRace(t, nil, true, func(_ int, _ time.Duration, second bool) attemptPlan {
		if second {
			return attemptPlan{takes: 20 * time.Millisecond}
		}
		return attemptPlan{takes: 10 * time.Millisecond, fails: errRefused}
	})
	if n != 1 || took != 30*time.Millisecond || err != nil {
		t.Errorf("attempt %d won after %v: %v", n, took, err)
	}
	n, took, _, _, err = runRace(t, nil, true, func(_ int, _ time.Duration, second bool) attemptPlan {
		if second {
			return attemptPlan{takes: 20 * time.Millisecond}
		}
		return attemptPlan{takes: time.Hour} // nobody answers
	})
	if n != 1 || took != attemptEvery+20*time.Millisecond || err != nil {
		t.Errorf("attempt %d won after %v: %v", n, took, err)
	}
}

func TestAttemptsAreBoundedAndLeftOversDiscarded(t *testing.T) {
	_, took, begun, discarded, err := runRace(t, []time.Duration{1, 2, 3, 4, 5, 6, 7, 8}, false, func(n int, _ time.Duration, _ bool) attemptPlan {
		return attemptPlan{takes: 2 * time.Second}
	})
	if err != nil || begun != mostKicked || took != 2*time.Second {
		t.Errorf("%d attempts, %v: %v", begun, took, err)
	}
	if discarded > mostKicked-1 {
		t.Errorf("%d discarded", discarded)
	}
}

// acceptor is a server that accepts signaling connections and never says anything.
func acceptor(t *testing.T) (port string) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := signaling.Accept(w, r, signaling.AcceptOptions{})
		if err != nil {
			return
		}
		for _, err := conn.Receive(); err == nil; _, err = conn.Receive() {
		}
		_ = conn.Close(nil)
	}))
	t.Cleanup(web.Close)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestALastKnownAddressStandsInForAName also over a restart of the app, with a name that cannot be looked up.
func TestALastKnownAddressStandsInForAName(t *testing.T) {
	port := acceptor(t)
	file := filepath.Join(t.TempDir(), "new", "addresses.json")
	c, err := newConnector("http://localhost:"+port, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.connect(t.Context(), nil)
	if err != nil || conn.byAddress {
		t.Fatalf("by address %v: %v", conn != nil && conn.byAddress, err)
	}
	if err := c.remember(conn.Conn); err != nil {
		t.Fatal(err)
	}
	conn.Abort()
	_ = conn.Close(nil)
	content, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(content), ":"+port) {
		t.Fatalf("kept is %q: %v", content, err)
	}
	renamed := strings.ReplaceAll(string(content), "localhost", "gasso.invalid")
	if err := os.WriteFile(file, []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}

	again, err := newConnector("http://gasso.invalid:"+port, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err = again.connect(t.Context(), nil)
	if err != nil || !conn.byAddress {
		t.Fatalf("without DNS: %v", err)
	}
	conn.Abort()
	_ = conn.Close(nil)
	for name, c := range map[string]struct {
		found []string
		err   error
		wrong bool
	}{
		"no such name": {nil, errRefused, true},
		"elsewhere":    {[]string{"192.0.2.1"}, nil, true},
		"right":        {[]string{"192.0.2.1", "127.0.0.1", "::1"}, nil, false},
	} {
		again.lookup = func(context.Context, string) ([]string, error) { return c.found, c.err }
		if got := again.nameIsWrong(t.Context()); got != c.wrong {
			t.Errorf("%s: wrong is %v", name, got)
		}
	}
}

func TestAnAddressNeedsNoBook(t *testing.T) {
	for server, want := range map[string]string{
		"http://127.0.0.1:8080": "", "http://[::1]:8080": "", "https://gasso.example": "gasso.example", "http://localhost:1": "localhost",
	} {
		c, err := newConnector(server, nil, "")
		if err != nil || c.host != want {
			t.Errorf("%s: host %q, %v", server, c.host, err)
		}
	}
}

func FuzzAddressBook(f *testing.F) {
	f.Add([]byte(`{"ws://a":"127.0.0.1:80"}`))
	f.Add([]byte(`{"ws://a":"b:80"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, content []byte) {
		b := addressBook{path: filepath.Join(t.TempDir(), "a")}
		if err := os.WriteFile(b.path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if found := b.find("ws://a"); found != "" {
			if _, _, err := net.SplitHostPort(found); err != nil {
				t.Errorf("found %q", found)
			}
		}
		if err := b.note("ws://b", "127.0.0.1:1"); err != nil || b.find("ws://b") != "127.0.0.1:1" {
			t.Errorf("noted, and yet %q: %v", b.find("ws://b"), err)
		}
		if n := len(b.read()); n > mostAddresses {
			t.Errorf("%d addresses are kept", n)
		}
	})
}
