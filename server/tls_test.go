package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gasso/net/signaling"
)

// writeCert writes a certificate of its own with a serial number, and returns it as a root.
func writeCert(t *testing.T, certFile, keyFile string, serial int64, modified time.Time) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{
		certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return roots
}

// serial is the serial number of the certificate that a server shows.
func serial(t *testing.T, s *Server, roots *x509.CertPool) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", s.HTTPAddr().String(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func tlsServer(t *testing.T) (s *Server, certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots = writeCert(t, certFile, keyFile, 1, time.Now().Add(-time.Hour))
	cfg := testConfig(t)
	cfg.FFmpeg, cfg.TLSCert, cfg.TLSKey = off, certFile, keyFile
	s, _ = start(t, cfg)
	return s, certFile, keyFile, roots
}

func TestCertificateIsReadAgainOnDemand(t *testing.T) {
	s, certFile, keyFile, roots := tlsServer(t)
	if got := serial(t, s, roots); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	roots = writeCert(t, certFile, keyFile, 2, time.Now().Add(-time.Hour))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := serial(t, s, roots); got != 2 {
		t.Errorf("serial %d after a reload, want 2", got)
	}
	if err := os.WriteFile(certFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("a broken certificate was accepted")
	}
	if got := serial(t, s, roots); got != 2 {
		t.Errorf("serial %d after a broken reload, want 2", got)
	}
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	f := &certFiles{cert: filepath.Join(dir, "c"), key: filepath.Join(dir, "k"), log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	writeCert(t, f.cert, f.key, 1, now.Add(-time.Hour))
	if err := f.load(); err != nil {
		t.Fatal(err)
	}
	number := func(at time.Time) int64 { return f.current(at).Leaf.SerialNumber.Int64() }
	if number(now) != 1 {
		t.Error("the first certificate is not there")
	}
	writeCert(t, f.cert, f.key, 2, now)
	if got := number(now.Add(500 * time.Millisecond)); got != 1 {
		t.Errorf("the files were looked at twice within a second: %d", got)
	}
	if got := number(now.Add(2 * time.Second)); got != 2 {
		t.Errorf("serial %d after a change, want 2", got)
	}
	if err := os.Remove(f.cert); err != nil {
		t.Fatal(err)
	}
	if got := number(now.Add(4 * time.Second)); got != 2 {
		t.Errorf("serial %d after the file went, want 2", got)
	}
}

func TestLinksAreEncryptedUnderTLS(t *testing.T) {
	s, _, _, _ := tlsServer(t)
	if link := linkOf(t, s, "listener"); !strings.HasPrefix(link, "https://127.0.0.1:") {
		t.Errorf("link %s", link)
	}
}

func TestMissingCertificateIsSaid(t *testing.T) {
	cfg := testConfig(t)
	cfg.TLSCert, cfg.TLSKey = "/nowhere/c.pem", "/nowhere/k.pem"
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "check --tls-cert") {
		t.Errorf("got %v", err)
	}
}

func TestSignalingUnderTLS(t *testing.T) {
	s, _, _, roots := tlsServer(t)
	conn, err := signaling.Dial(context.Background(), strings.Replace(s.base, "https", "wss", 1)+"/ws", nil,
		&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	must(t, err)
	defer func() { _ = conn.Close(nil) }()
	send(t, conn, &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: demoRoom, UserID: "Ai"})
	m, err := conn.Receive()
	must(t, err)
	if _, ok := m.(*signaling.Joined); !ok {
		t.Errorf("got %T %+v, want joined", m, m)
	}
}

func TestUnreachableAuthorityIsLoggedAndStopsNothing(t *testing.T) {
	cfg := testConfig(t)
	cfg.Dev, cfg.FFmpeg, cfg.Domain = false, off, "live.example.org"
	cfg.ACME.URL = "https://127.0.0.1:1/directory"
	s, stop := start(t, cfg)
	if link := s.joinURL("choir", ""); !strings.HasPrefix(link, "https://live.example.org:") {
		t.Errorf("link %s", link)
	}
	_, err := tls.Dial("tcp", s.HTTPAddr().String(), &tls.Config{ServerName: "live.example.org", MinVersion: tls.VersionTLS12})
	if err == nil {
		t.Error("there is a certificate from nowhere")
	}
	if code, _ := get(t, "http://"+s.OpsAddr().String()+"/healthz"); code != 200 {
		t.Errorf("healthz %d, want 200", code)
	}
	stop()
	cfg.ACME.Roots = "/nowhere/root.pem"
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "acme.roots") {
		t.Errorf("missing root: %v", err)
	}
}
