package app

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"gasso/app/session"
	"gasso/net/peer"
)

func TestOwnAuthorityIsTrustedBesideTheSystems(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var cfg session.Config
	if err := (connectionOptions{ca: file, ice: "relay"}).apply(&cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Ways != peer.WaysRelay || cfg.TLS == nil {
		t.Fatalf("%+v", cfg)
	}
	if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: cfg.TLS.RootCAs}); err != nil {
		t.Error(err)
	}
	if err := (connectionOptions{ice: "auto"}).apply(&cfg); err != nil || cfg.TLS != nil {
		t.Error("no file, but an authority", err)
	}
}

func TestConnectionFlagsAreChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []connectionOptions{{ice: "udp"}, {ice: "auto", ca: "/nowhere.pem"}, {ice: "auto", ca: empty}} {
		if err := o.apply(&session.Config{}); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
