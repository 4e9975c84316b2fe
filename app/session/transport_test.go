package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gasso/net/signaling"
)

func TestCredentialsAreRenewedBeforeTheyExpire(t *testing.T) {
	for ttl, want := range map[int]time.Duration{7200: 90 * time.Minute, 60: 45 * time.Second, 1: time.Second} {
		if got := renewAfter(ttl); got != want {
			t.Errorf("%d s: after %v", ttl, got)
		}
	}
}

// TestAsksForNewCredentials goes to a server with a certificate of its own, whose credentials are short-lived.
func TestAsksForNewCredentials(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := signaling.Accept(w, r, signaling.AcceptOptions{})
		if err != nil {
			return
		}
		defer func() { _ = conn.Close(nil) }()
		for {
			m, err := conn.Receive()
			if err != nil {
				return
			}
			switch m.(type) {
			case *signaling.JoinRoom:
				_ = conn.Send(&signaling.Joined{
					Protocol: signaling.ProtocolVersion, ParticipantID: "p1", Role: signaling.RolePerformer, Room: signaling.Room{ID: "demo"},
					TransportOptions: signaling.TransportOptions{Loopback: true, TTLSeconds: 1},
				})
			case *signaling.TransportOptions:
				asked <- struct{}{}
				_ = conn.Send(&signaling.TransportOptions{Loopback: true, TTLSeconds: 1})
			}
		}
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s, err := New(Config{
		Server: server.URL, Room: "demo", Input: "silence", Output: "null", TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the answer counts, too
		select {
		case <-asked:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody asked")
		}
	}
}

func TestOldServersNeedNoRenewal(t *testing.T) {
	s := newTestSession(t)
	s.useTransport(&signaling.TransportOptions{TTLSeconds: 3600})
	if s.renewal == nil {
		t.Error("nothing is planned")
	}
	s.useTransport(&signaling.TransportOptions{})
	if s.renewal != nil {
		t.Error("something is planned")
	}
}
