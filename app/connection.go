package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/net/peer"
)

// connectionOptions are the flags of how the server and the others are reached.
type connectionOptions struct{ ca, ice string }

func (o *connectionOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.ca, "ca", "", "trust the certificate authorities in this `FILE` (PEM), too, for a server with a certificate of its own")
	f.StringVar(&o.ice, "ice", string(peer.WaysAuto), "ways to the others: auto (all) | relay (through relays only) | tcp (nothing over UDP), to find out what a network lets through")
}

// apply puts the options into a session's configuration.
func (o connectionOptions) apply(cfg *session.Config) (err error) {
	if cfg.Ways, err = choice("ice", peer.Ways(o.ice), peer.WaysAuto, peer.WaysRelay, peer.WaysTCP); err != nil {
		return err
	}
	cfg.TLS, err = trusting(o.ca)
	return err
}

// trusting is TLS that trusts a file's authorities beside the system's; nil for no file.
func trusting(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read --ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read --ca: there is no certificate in %s; give a file in PEM", file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
