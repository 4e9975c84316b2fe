package app

import (
	"path/filepath"
	"testing"

	"gasso/app/session"
	"gasso/app/spool"
)

func TestWhereSoundIsKept(t *testing.T) {
	base, err := spool.DefaultBase()
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("kept")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keepingOptions
		want session.SpoolConfig
	}{
		{keepingOptions{dir: spoolOff}, session.SpoolConfig{}},
		{keepingOptions{dir: spoolDefault, mb: 7}, session.SpoolConfig{Dir: base, MB: 7}},
		{keepingOptions{}, session.SpoolConfig{Dir: base}},
		{keepingOptions{dir: "kept"}, session.SpoolConfig{Dir: here}},
	} {
		var cfg session.Config
		if err := c.apply(&cfg); err != nil || cfg.Spool != c.want {
			t.Errorf("%+v gives %+v, %v", c.keepingOptions, cfg.Spool, err)
		}
	}
	for _, mb := range []int{-1, 100_001} {
		if err := (keepingOptions{mb: mb}).apply(&session.Config{}); err == nil {
			t.Errorf("%d MB are taken", mb)
		}
	}
}
