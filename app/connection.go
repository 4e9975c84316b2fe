package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/app/settings"
	"gasso/net/peer"
)

// connectionOptions are the flags of how the server and the others are reached.
type connectionOptions struct {
	ca, ice                string
	bitrateMin, bitrateMax int
}

func (o *connectionOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.ca, "ca", "", "trust the certificate authorities in this `FILE` (PEM), too, for a server with a certificate of its own")
	f.IntVar(&o.bitrateMin, "bitrate-min", 0, "bit/s below which a narrow uplink never takes the encoder, 6000 to 510000; 0 is 24000 for speech and 64000 for music, or less where the uplink carries no more")
	f.IntVar(&o.bitrateMax, "bitrate-max", 0, "bit/s that the encoder never goes above, 6000 to 510000; 0 sets no bound")
	f.StringVar(&o.ice, "ice", string(peer.WaysAuto), "ways to the others: auto (all) | relay (through relays only) | tcp (nothing over UDP), to find out what a network lets through")
}

// apply puts the options into a session's configuration.
func (o connectionOptions) apply(cfg *session.Config) (err error) {
	if cfg.Ways, err = choice("ice", peer.Ways(o.ice), peer.WaysAuto, peer.WaysRelay, peer.WaysTCP); err != nil {
		return err
	}
	if err := session.CheckBitrate(o.bitrateMin, o.bitrateMax); err != nil {
		return fmt.Errorf("--bitrate-min and --bitrate-max: %w", err)
	}
	cfg.BitrateMinBPS, cfg.BitrateMaxBPS = o.bitrateMin, o.bitrateMax
	if cfg.TLS, err = trusting(o.ca); err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	return nil
}

// What is wrong with a file of authorities; the window translates both.
var (
	errCAUnread = errors.New("the file of certificate authorities cannot be read; check its path")
	errCAEmpty  = errors.New("there is no certificate in the file of certificate authorities; it takes PEM")
)

// checkCA tells whether a file holds certificate authorities; empty names none.
func checkCA(file string) error {
	_, err := trusting(file)
	return err
}

// orSettings takes what is set where no flag says otherwise.
func (o connectionOptions) orSettings(prefs settings.Settings) connectionOptions {
	if o.ca == "" {
		o.ca = prefs.CAFile
	}
	if o.bitrateMin == 0 {
		o.bitrateMin = prefs.BitrateMinBPS
	}
	if o.bitrateMax == 0 {
		o.bitrateMax = prefs.BitrateMaxBPS
	}
	return o
}

// trusting is TLS that trusts a file's authorities beside the system's; nil for no file.
func trusting(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errCAUnread, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errCAEmpty
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
