package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

const acmeDomain = "live.example.org"

// authority is an ACME authority in this process. It needs the port of the server that it asks, and
// the server needs its address, so requests wait until serve has told the port.
type authority struct {
	web   *httptest.Server
	ready chan struct{}
	front http.Handler
	roots *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{ready: make(chan struct{})}
	a.web = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-a.ready:
			a.front.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(a.web.Close)
	return a
}

// serve begins to answer: certificates are for names that answer the TLS-ALPN challenge on a port of
// this machine.
func (a *authority) serve(t *testing.T, port int) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	if testing.Verbose() {
		quiet.SetOutput(t.Output())
	}
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	validator := va.New(quiet, 0, port, true, nameServer(t), store)
	front := wfe.New(quiet, store, validator, issuer, []string{"authority.test"}, true, false, 1, 1)
	a.front = front.Handler()
	a.roots = x509.NewCertPool()
	if !a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM()) {
		t.Fatal("the authority has no root")
	}
	close(a.ready)
}

// rootFile is what the server trusts the authority's own HTTPS by.
func (a *authority) rootFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "roots.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.web.Certificate().Raw})
	must(t, os.WriteFile(file, root, 0o600))
	return file
}

// nameServer answers that the domain is this machine, and knows no other name.
func nameServer(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == dns.Fqdn(acmeDomain) && q.Question[0].Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(answer)
	})}
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.ActivateAndServe() })
	t.Cleanup(func() { _ = l.Close(); ended.Wait() })
	return l.Addr().String()
}

// shownChain is what the server shows for the domain to somebody who trusts roots.
func shownChain(s *Server, roots *x509.CertPool) ([]*x509.Certificate, error) {
	c, err := tls.Dial("tcp", s.HTTPAddr().String(),
		&tls.Config{ServerName: acmeDomain, RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates, nil
}

func TestAuthorityGivesACertificateOverTheHTTPSPortAlone(t *testing.T) {
	a := newAuthority(t)
	cfg := testConfig(t)
	cfg.Dev, cfg.FFmpeg, cfg.Domain = false, off, acmeDomain
	cfg.ACME.URL, cfg.ACME.Roots = a.web.URL+"/dir", a.rootFile(t)
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, stop := start(t, cfg)
	a.serve(t, int(netip.MustParseAddrPort(s.HTTPAddr().String()).Port()))

	var chain []*x509.Certificate
	waitFor(t, 30*time.Second, "certificate", func() (ok bool) {
		var err error
		chain, err = shownChain(s, a.roots)
		return err == nil
	})
	if names := chain[0].DNSNames; len(names) != 1 || names[0] != acmeDomain {
		t.Errorf("the certificate names %v, want %s", names, acmeDomain)
	}
	if len(chain) < 2 {
		t.Errorf("%d certificates are shown, want the intermediate too", len(chain))
	}
	stop()

	a.web.Close() // another start needs no authority
	s, _ = start(t, cfg)
	again, err := shownChain(s, a.roots)
	must(t, err)
	if !again[0].Equal(chain[0]) {
		t.Error("the kept certificate is another one")
	}
	if link := s.joinURL("choir", ""); !strings.HasPrefix(link, "https://"+acmeDomain+":") {
		t.Errorf("link %s", link)
	}
}
