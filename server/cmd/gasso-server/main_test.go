package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gasso-server")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "gasso-server")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a running gasso-server.
type process struct {
	cmd    *exec.Cmd
	folder string
	links  map[string]string
	stderr logBuffer
}

// logBuffer may be read while the process writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serveDev starts a server and waits for its links.
func serveDev(t *testing.T, args ...string) *process {
	t.Helper()
	folder, err := os.MkdirTemp("", "gasso")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	p := &process{folder: folder, links: map[string]string{}}
	p.cmd = exec.Command(binary, append([]string{"serve", "--dev", "--data", folder, "--http", "127.0.0.1:0", "--rtc-udp", "0"}, args...)...)
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for range 3 {
		if !lines.Scan() {
			_ = p.cmd.Wait()
			t.Fatalf("the server ended early: %s", p.stderr.String())
		}
		who, link, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("line %q is no link", lines.Text())
		}
		p.links[who] = link
	}
	return p
}

// run runs a command to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command(binary, args...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), c.ProcessState.ExitCode()
}

func TestServePrintsLinksAndEndsOnSIGTERM(t *testing.T) {
	p := serveDev(t)
	base := strings.TrimSuffix(p.links["performer"], "/join/demo")
	if !strings.HasPrefix(p.links["host"], base+"/join/demo#ey") || p.links["listener"] != base+"/room/demo" {
		t.Errorf("links %v", p.links)
	}
	for _, link := range p.links {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("<html")) {
			t.Errorf("%s: %d %.80s", link, resp.StatusCode, body)
		}
	}
	_, token, _ := strings.Cut(p.links["host"], "#")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v: %s", err, p.stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("SIGTERM did not end the server")
	}
	if strings.Contains(p.stderr.String(), token) {
		t.Error("a token is in the log")
	}
}

func TestOrdersReachTheRunningServer(t *testing.T) {
	p := serveDev(t, "--ffmpeg", "off")
	folder := []string{"--data", p.folder}
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string // words
	}{
		{[]string{"room", "create", "choir", "--title", "合唱"}, 0, "", ""},
		{[]string{"room", "create", "choir"}, 1, "", "exists already"},
		{[]string{"room", "list"}, 0, "合唱", ""},
		{[]string{"room", "status", "choir"}, 0, "PARTICIPANT", ""},
		{[]string{"room", "status", "choir", "--json"}, 0, `"id": "choir"`, ""},
		{[]string{"room", "status", "nowhere"}, 1, "", "no such room"},
		{[]string{"room", "kick", "choir", "Ai"}, 1, "", "nobody in room choir is called Ai"},
		{[]string{"invite", "--room", "choir", "--role", "performer", "--expires", "24h"}, 0, "/join/choir#ey", "performer of room choir"},
		{[]string{"invite", "--room", "choir", "--role", "king"}, 1, "", "no role"},
		{[]string{"invite"}, 1, "", "Give --room"},
		{[]string{"room", "close", "choir"}, 0, "", ""},
		{[]string{"room", "close", "choir"}, 1, "", "no such room"},
	} {
		out, errOut, code := run(t, append(c.args, folder...)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.errs) {
			t.Errorf("%v: %d, %q, %q", c.args, code, out, errOut)
		}
	}
}

func TestStartFailsInWords(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	folder := t.TempDir()
	for word, args := range map[string][]string{
		"in use by another program": {"serve", "--dev", "--data", folder, "--http", taken.Addr().String()},
		"cannot make the folder":    {"serve", "--dev", "--data", "/dev/null/x"},
		"without encryption":        {"serve", "--data", folder, "--http", ":0"},
		"no server runs":            {"room", "list", "--data", folder},
		"unknown command":           {"sing"},
	} {
		_, errOut, code := run(t, args...)
		if code != 1 || !strings.Contains(errOut, word) {
			t.Errorf("%v: %d %q, want 1 and %q", args, code, errOut, word)
		}
	}
}

func TestMissingFFmpegIsSaidAtStart(t *testing.T) {
	p := serveDev(t, "--ffmpeg", "no-such-ffmpeg")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	if !strings.Contains(p.stderr.String(), "Opus only") {
		t.Errorf("log: %s", p.stderr.String())
	}
}

func TestDoctor(t *testing.T) {
	args := []string{"doctor", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--rtc-udp", "0", "--dev"}
	out, _, code := run(t, append(args, "--ffmpeg", "off")...)
	if code != 0 || strings.Contains(out, "BAD") || !strings.Contains(out, "ffmpeg") {
		t.Errorf("%d %s", code, out)
	}
	out, _, code = run(t, append(args, "--ffmpeg", "no-such-ffmpeg")...)
	if code != 1 || !strings.Contains(out, "BAD") || !strings.Contains(out, "install ffmpeg") {
		t.Errorf("%d %s", code, out)
	}
}
