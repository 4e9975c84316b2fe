package app

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/app/settings"
	"gasso/app/spool"
)

// Words that --spool-dir takes in place of a folder.
const (
	spoolOff     = settings.SpoolOff
	spoolDefault = "default"
)

// keepingOptions are the flags of where sound is kept that cannot be sent yet.
type keepingOptions struct {
	dir string
	mb  int
}

func (o *keepingOptions) addFlags(f *pflag.FlagSet, dir string) {
	f.StringVar(&o.dir, "spool-dir", dir, "keep sound that cannot be sent yet in this `DIR`, so that it survives a crash: a folder | default (this account's cache) | off (memory alone)")
	f.IntVar(&o.mb, "spool-mb", 0, "megabytes that kept sound may take, 1 to 100000; 0 takes 256")
}

// apply puts the options into a session's configuration.
func (o keepingOptions) apply(cfg *session.Config) (err error) {
	if err := session.CheckSpoolMB(o.mb); err != nil {
		return fmt.Errorf("--spool-mb: %w", err)
	}
	cfg.Spool = session.SpoolConfig{MB: o.mb}
	switch o.dir {
	case spoolOff:
	case "", spoolDefault:
		cfg.Spool.Dir, _ = spool.DefaultBase() // an account without a folder keeps it in memory
	default:
		cfg.Spool.Dir, err = filepath.Abs(o.dir)
	}
	return err
}

// orSettings takes what is set where no flag says otherwise.
func (o keepingOptions) orSettings(prefs settings.Settings) keepingOptions {
	if o == (keepingOptions{}) {
		return keepingOptions{dir: prefs.SpoolDir, mb: prefs.SpoolMB}
	}
	return o
}
