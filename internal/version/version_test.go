package version

import (
	"runtime/debug"
	"testing"
)

func TestStringNamesTheCommit(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for _, c := range []struct {
		want     string
		settings []debug.BuildSetting
	}{
		{"development", nil},
		{"0123456789ab", []debug.BuildSetting{commit}},
		{"0123456789ab+changes", []debug.BuildSetting{commit, {Key: "vcs.modified", Value: "true"}}},
	} {
		if got := fromSettings(c.settings); got != c.want {
			t.Errorf("version %q, want %q", got, c.want)
		}
	}
}

func TestReleaseWins(t *testing.T) {
	release = "1.2.3"
	t.Cleanup(func() { release = "" })
	if got := String(); got != "1.2.3" {
		t.Errorf("version %q, want the release", got)
	}
}
