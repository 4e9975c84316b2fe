package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// tlsConfig makes what ends TLS at an address, or nil when the server does not. reload reads files
// again.
func (c *Config) tlsConfig(ctx context.Context, address net.Addr, log *slog.Logger) (t *tls.Config, reload func() error, err error) {
	none := func() error { return nil }
	switch {
	case c.TLSCert != "":
		files := &certFiles{cert: c.TLSCert, key: c.TLSKey, log: log}
		if err := files.load(); err != nil {
			return nil, nil, err
		}
		return &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.current(time.Now()), nil },
		}, files.load, nil
	case c.Domain != "":
		t, err = c.acmeConfig(ctx, address, log)
		return t, none, err
	}
	return nil, none, nil
}

// certFiles is a certificate in two files, read again when they change.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	mu       sync.Mutex
	pair     *tls.Certificate
	modified [2]time.Time
	checked  time.Time
}

// load reads the files; what was read before stays when they are not good.
func (f *certFiles) load() error {
	modified := f.times()
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read certificate: %w: check --tls-cert and --tls-key", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pair, f.modified = &pair, modified
	return nil
}

// current is the certificate to use now; it looks at the files at most once a second.
func (f *certFiles) current(now time.Time) *tls.Certificate {
	f.mu.Lock()
	look := now.Sub(f.checked) >= time.Second
	if look {
		f.checked = now
	}
	before := f.modified
	f.mu.Unlock()
	if look && f.times() != before {
		if err := f.load(); err != nil {
			f.log.Warn("new certificate is not good, the old one stays", "error", err)
		} else {
			f.log.Info("certificate read again", "file", f.cert)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pair
}

// times are when the files were written; the zero time for one that is not there.
func (f *certFiles) times() (t [2]time.Time) {
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}

// acmeConfig gets and renews a certificate for Domain. The authority asks on the HTTPS port
// (TLS-ALPN, RFC 8737), so no other port is needed: address is where this server answers it, be it
// 443 or a port that 443 is forwarded to.
func (c *Config) acmeConfig(ctx context.Context, address net.Addr, log *slog.Logger) (*tls.Config, error) {
	at, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return nil, fmt.Errorf("listening address %s: %w", address, err)
	}
	var roots *x509.CertPool
	if c.ACME.Roots != "" {
		pem, err := os.ReadFile(c.ACME.Roots)
		if err != nil {
			return nil, fmt.Errorf("read acme.roots: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("read acme.roots: there is no certificate in " + c.ACME.Roots)
		}
	}
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           zap.NewNop(),
	})
	context.AfterFunc(ctx, cache.Stop)
	magic = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(c.Data, "acme")},
		Logger:  zap.NewNop(),
		OnEvent: func(_ context.Context, event string, details map[string]any) error {
			switch event {
			case "cert_obtained":
				log.Info("certificate obtained", "domain", details["identifier"])
			case "cert_failed":
				log.Error("no certificate: check that the name leads to this machine and port 443 is open",
					"domain", details["identifier"], "error", details["error"])
			}
			return nil
		},
	})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{
		CA: c.ACME.URL, Email: c.ACME.Email, Agreed: true, TrustedRoots: roots,
		DisableHTTPChallenge: true, ListenHost: at.Addr().String(), AltTLSALPNPort: int(at.Port()), Logger: zap.NewNop(),
	})}
	if err := magic.ManageAsync(ctx, []string{c.Domain}); err != nil {
		return nil, fmt.Errorf("manage certificate for %s: %w", c.Domain, err)
	}
	t := magic.TLSConfig()
	t.NextProtos = append([]string{"h2", "http/1.1"}, t.NextProtos...)
	return t, nil
}
