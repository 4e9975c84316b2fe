package turnserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/turn/v5"
)

// authority is an own certificate authority and a certificate of localhost by it.
func authority(t *testing.T) (server *tls.Config, roots *x509.CertPool, caFile string) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	template := func(serial int64, ca bool) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().Add(time.Hour), IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
	}
	caKey, leafKey := key(), key()
	ca, err := x509.CreateCertificate(rand.Reader, template(1, true), template(1, true), &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(ca)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template(2, false), parsed, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: leafKey}},
		NextProtos:   []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}, roots, caFile
}

// newSplitRig is a relay that shares its TLS port with an HTTP server that answers with its protocol.
func newSplitRig(t *testing.T) (r *rig, address string, roots *x509.CertPool, caFile string) {
	t.Helper()
	config, roots, caFile := authority(t)
	base, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSplitter(base, config)
	t.Cleanup(func() { _ = s.Close() })
	web := &http.Server{
		TLSConfig: config, ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write([]byte(r.Proto + string(body)))
		}),
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = web.Serve(s.HTTP()) }()
	t.Cleanup(func() { _ = web.Close(); <-served })
	r = newRig(t, func(c *Config) { c.Streams = append(c.Streams, s.TURN()) })
	return r, base.Addr().String(), roots, caFile
}

func TestOnePortSpeaksHTTPAndTURN(t *testing.T) {
	r, address, roots, _ := newSplitRig(t)
	for _, h2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: h2}
		client := &http.Client{Transport: transport}
		for range 2 { // the second goes over the same connection
			answer, err := client.Post("https://"+address, "text/plain", bytes.NewReader([]byte(" hello")))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if want := map[bool]string{false: "HTTP/1.1 hello", true: "HTTP/2.0 hello"}[h2]; string(body) != want {
				t.Errorf("%q instead of %q", body, want)
			}
		}
		transport.CloseIdleConnections()
	}
	for _, protocols := range [][]string{nil, {alpnTURN}} {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: protocols})
		if err != nil {
			t.Fatal(err)
		}
		username, password := Credentials(testSecret, "p1", r.now.Now().Add(time.Hour))
		client, err := turn.NewClient(&turn.ClientConfig{Conn: turn.NewSTUNConn(c), TURNServerAddr: address, Username: username, Password: password})
		if err == nil {
			err = client.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, allocate(t, client), r.peer)
		client.Close()
		_ = c.Close()
	}
}

func TestSplitterClosesWhileConnectionsWait(t *testing.T) {
	config, roots, _ := authority(t)
	base, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSplitter(base, config)
	silent, err := net.Dial("tcp", base.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	shaken, err := tls.Dial("tcp", base.Addr().String(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range []net.Conn{silent, shaken} {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("still open: %v", err)
		}
		_ = c.Close()
	}
	if _, err := s.HTTP().Accept(); err == nil {
		t.Error("HTTP goes on")
	}
}

func TestHandshakesThatStandStillPushThemselvesOut(t *testing.T) {
	config, roots, _ := authority(t)
	base, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSplitter(base, config)
	defer func() { _ = s.Close() }()
	var silent []net.Conn
	for range maxHandshakes + 1 {
		c, err := net.Dial("tcp", base.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		silent = append(silent, c)
	}
	_ = silent[0].SetReadDeadline(time.Now().Add(handshakePatience / 2))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the oldest is still open: %v", err)
	}
	c, err := tls.Dial("tcp", base.Addr().String(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// FuzzFirstBytes sends whatever behind TLS: nothing may be lost or hang, and who gets it depends on the first byte.
func FuzzFirstBytes(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	f.Add([]byte{0x40, 0, 0, 4, 1, 2, 3, 4})
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) == 0 {
			return
		}
		config, roots, _ := authority(t)
		base, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Skip(err)
		}
		s := NewSplitter(base, config)
		defer func() { _ = s.Close() }()
		c, err := tls.Dial("tcp", base.Addr().String(), &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Write(sent); _ = c.CloseWrite() }()
		to := s.HTTP()
		if sent[0] < 0x40 {
			to = s.TURN()
		}
		got, err := to.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = got.SetReadDeadline(time.Now().Add(5 * time.Second))
		if all, err := io.ReadAll(got); err != nil || !bytes.Equal(all, sent) {
			t.Errorf("%q became %q, %v", sent, all, err)
		}
		_, _ = got.Close(), c.Close()
	})
}
