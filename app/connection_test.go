package app

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"gasso/app/session"
	"gasso/app/settings"
	"gasso/net/peer"
	"gasso/net/signaling"
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

func TestSettingsStandInForFlags(t *testing.T) {
	prefs := settings.Defaults()
	prefs.Topology, prefs.BitrateMinBPS, prefs.BitrateMaxBPS, prefs.SpoolDir = signaling.TopologySFU, 32_000, 96_000, settings.SpoolOff
	var cfg session.Config
	o := desktopOptions{connection: connectionOptions{ice: "auto"}}
	if err := o.connect(&cfg, prefs); err != nil {
		t.Fatal(err)
	}
	if cfg.Topology != signaling.TopologySFU || cfg.BitrateMinBPS != 32_000 || cfg.BitrateMaxBPS != 96_000 || cfg.Spool.Dir != "" {
		t.Errorf("the settings give %+v", cfg)
	}
	folder := t.TempDir()
	o = desktopOptions{topology: "p2p", connection: connectionOptions{ice: "auto", bitrateMax: 64_000}, keeping: keepingOptions{dir: folder}}
	if err := o.connect(&cfg, prefs); err != nil {
		t.Fatal(err)
	}
	if cfg.Topology != signaling.TopologyP2P || cfg.BitrateMinBPS != 32_000 || cfg.BitrateMaxBPS != 64_000 || cfg.Spool.Dir != folder {
		t.Errorf("flags over settings give %+v", cfg)
	}
	if err := (desktopOptions{topology: "both", connection: connectionOptions{ice: "auto"}}).connect(&cfg, prefs); err == nil {
		t.Error("an unknown way is taken")
	}
}
