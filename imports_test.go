package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rule forbids a set of packages everywhere but in some folders.
type rule struct {
	why       string
	forbidden []string // import path prefixes
	in        string   // folder prefix that the rule holds in; empty is everywhere
	except    []string // folders
}

// The import rules of docs/architecture.md.
var rules = []rule{
	{"audio knows no network and no program", []string{"gasso/net", "gasso/app", "gasso/server"}, "audio", nil},
	{"net knows no sound and no program", []string{"gasso/audio", "gasso/app", "gasso/server"}, "net", nil},
	{"the app never imports the server", []string{"gasso/server"}, "app", nil},
	{"the server never imports the app", []string{"gasso/app"}, "server", nil},
	{"the session has no screen", []string{"gasso/app/ui"}, "app/session", nil},
	{"settings know no screen", []string{"gasso/app/ui"}, "app/settings", nil},
	{"segments know nothing of rooms", []string{"gasso/server/room"}, "server/hls", nil},
	{"Fyne draws windows only", []string{"fyne.io"}, "", []string{".", "app", "app/ui"}},
	{"one door to sound hardware", []string{"github.com/gen2brain/malgo"}, "", []string{"audio/device"}},
	{"one door to media devices", []string{"github.com/pion/mediadevices"}, "", []string{"audio/capture", "audio/opus"}},
	{"one door to WebRTC", []string{"github.com/pion/webrtc", "github.com/pion/ice", "github.com/pion/interceptor", "github.com/pion/rtp", "github.com/pion/rtcp", "github.com/pion/sdp", "github.com/pion/turn", "github.com/pion/dtls", "github.com/pion/srtp", "github.com/pion/stun"}, "", []string{"net/peer", "server/turnserver", "internal/bench/sfu"}},
	{"one door to WebSocket", []string{"github.com/gorilla/websocket"}, "", []string{"net/signaling", "internal/bench/sfu"}},
	{"one door to object storage", []string{"github.com/minio/minio-go"}, "", []string{"server/upload"}},
	{"one door to NATS", []string{"github.com/nats-io"}, "", []string{"server/state", "server/cluster"}},
	{"one door to the echo canceller", []string{"github.com/livekit"}, "", []string{"audio/aec"}},
	{"one door to WebAssembly", []string{"github.com/tetratelabs/wazero"}, "", []string{"audio/ns"}},
}

func TestImportRules(t *testing.T) {
	for file, imports := range projectImports(t) {
		dir := path.Dir(file)
		for _, r := range rules {
			// A test may come in by the window, as a stranger on the network would.
			door := strings.HasPrefix(r.why, "one door") && strings.HasSuffix(file, "_test.go")
			if door || !within(dir, r.in) || allowed(dir, r.except) {
				continue
			}
			for _, imported := range imports {
				if hasAnyPrefix(imported, r.forbidden) {
					t.Errorf("%s imports %s: %s", file, imported, r.why)
				}
			}
		}
	}
}

// TestServerLinksNeitherWindowNorSoundHardware asks the go command, which also knows what other
// people's packages import.
func TestServerLinksNeitherWindowNorSoundHardware(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./server/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if hasAnyPrefix(p, []string{"fyne.io", "github.com/gen2brain/malgo"}) {
			t.Errorf("the server links %s", p)
		}
	}
}

// TestNetHoldsFoldersOnly keeps net/ from clashing with the standard library's net.
func TestNetHoldsFoldersOnly(t *testing.T) {
	for file := range projectImports(t) {
		if path.Dir(file) == "net" {
			t.Errorf("%s: net/ holds folders only", file)
		}
	}
}

// TestImportDepth counts the longest chain of imports between the project's own packages; main.go,
// which only calls app.Run, and the benchmarks, which stand on whole programs, do not count. The sixth layer is net/packet, whose identifiers the
// messages of net/signaling carry.
func TestImportDepth(t *testing.T) {
	const deepest = 6
	graph := map[string]map[string]bool{}
	for file, imports := range projectImports(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		from := path.Dir(file)
		if strings.HasPrefix(from, "internal/bench/") {
			continue
		}
		for _, imported := range imports {
			if to, ok := strings.CutPrefix(imported, "gasso/"); ok {
				if graph[from] == nil {
					graph[from] = map[string]bool{}
				}
				graph[from][to] = true
			}
		}
	}
	depth := map[string]int{}
	var visit func(string) int
	visit = func(p string) int {
		if d, ok := depth[p]; ok {
			return d
		}
		most := 0
		for to := range graph[p] {
			most = max(most, 1+visit(to))
		}
		depth[p] = most
		return most
	}
	delete(graph, ".")
	for p := range graph {
		if d := visit(p); d > deepest {
			t.Errorf("%s stands on %d layers of packages, at most %d are allowed", p, d, deepest)
		}
	}
}

// projectImports maps each Go file of the project to what it imports.
func projectImports(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || name != "." && strings.HasPrefix(entry.Name(), ".")) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		imports[slashed] = nil
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[slashed] = append(imports[slashed], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(imports) < 20 {
		t.Fatalf("only %d Go files were found", len(imports))
	}
	return imports
}

func within(dir, folder string) bool {
	return folder == "" || dir == folder || strings.HasPrefix(dir, folder+"/")
}

func allowed(dir string, folders []string) bool {
	for _, f := range folders {
		if dir == f {
			return true
		}
	}
	return false
}

func hasAnyPrefix(imported string, prefixes []string) bool {
	for _, p := range prefixes {
		if imported == p || strings.HasPrefix(imported, p+"/") {
			return true
		}
	}
	return false
}
