package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeCertificate writes a certificate with a serial number, as old as the one before.
func writeCertificate(t *testing.T, cert, key string, serial int64, written time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, written, written); err != nil {
			t.Fatal(err)
		}
	}
}

// serialAt is the serial number of the certificate that a server shows.
func serialAt(t *testing.T, address string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // our own, which nobody signed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// The files keep their times, so that only the signal can make the server read them.
func TestSIGHUPReadsTheCertificateAgain(t *testing.T) {
	dir, written := t.TempDir(), time.Now().Add(-time.Hour)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1, written)
	p := serveDev(t, "--tls-cert", cert, "--tls-key", key, "--ffmpeg", "off")
	link, err := url.Parse(p.links["listener"])
	if err != nil || link.Scheme != "https" {
		t.Fatalf("link %q, %v", p.links["listener"], err)
	}
	hangup := func() {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for !holds() {
			if time.Now().After(deadline) {
				t.Fatalf("never came true: %s", what)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	uses := func(serial int64) func() bool {
		return func() bool { return serialAt(t, link.Host) == serial }
	}
	await("the first certificate", uses(1))
	writeCertificate(t, cert, key, 2, written)
	if got := serialAt(t, link.Host); got != 1 {
		t.Errorf("certificate %d before the signal", got)
	}
	hangup()
	await("the second certificate", uses(2))

	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup()
	await("the broken one is refused", func() bool { return strings.Contains(p.stderr.String(), "the old one stays") })
	if !uses(2)() {
		t.Error("the old certificate did not stay")
	}
	writeCertificate(t, cert, key, 3, written)
	hangup()
	await("the third certificate", uses(3))
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
