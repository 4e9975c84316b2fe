// Package version tells which build of Gasso runs.
package version

import "runtime/debug"

// release is set by the linker: -X gasso/internal/version.release=1.2.3
var release string

// String is the release, or the commit that was built, or "development".
func String() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	return fromSettings(info.Settings)
}

func fromSettings(settings []debug.BuildSetting) string {
	revision, modified := "", ""
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+changes"
			}
		}
	}
	if len(revision) < 12 {
		return "development"
	}
	return revision[:12] + modified
}
