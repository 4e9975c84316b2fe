package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gasso/app/session"
)

// root is the repository: tests run in their package's folder.
const root = "../.."

// needed are the programs of other people that these tests run; make setup installs them.
var needed = []string{"ffmpeg", "ffprobe", "gst-launch-1.0", "espeak-ng", "sox", "pulseaudio", "pactl", "Xvfb", "xdotool", "xdpyinfo", "import", "chromium", "node"}

func TestMain(m *testing.M) {
	for _, tool := range needed {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "%s is missing; run make setup\n", tool)
			os.Exit(1)
		}
	}
	for _, binary := range []string{"gasso", "gasso-server"} {
		if _, err := os.Stat(filepath.Join(root, "bin", binary)); err != nil {
			fmt.Fprintf(os.Stderr, "bin/%s is missing; run make build\n", binary)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// process is a program under test with what it printed.
type process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	stdout *lockedBuffer
	stderr *lockedBuffer
	ended  chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a program.
func start(t testing.TB, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(name), stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd = exec.Command(name, args...)
	p.cmd.Env = append(cleanEnviron(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.run()
	return p
}

// run starts what cmd says; it is ended with the test, and what it printed shown if the test failed.
func (p *process) run() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	p.t.Cleanup(func() {
		p.stop()
		if p.t.Failed() {
			p.t.Logf("%s printed:\n%s\n%s", strings.Join(p.cmd.Args, " "), tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
}

// cleanEnviron is the environment without the settings and the screen of who runs the tests.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GASSO_") || strings.HasPrefix(v, "DISPLAY=") || strings.HasPrefix(v, "WAYLAND_DISPLAY=")
	})
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "..." + s[len(s)-most:]
	}
	return s
}

// stop ends the process as a service manager would, and waits.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		p.t.Errorf("%s did not end within 15 s of SIGTERM", p.name)
		p.kill()
	}
}

// stopTogether ends performers at the same moment: leaving takes a second, in which the others would go on
// and record silence.
func stopTogether(performers ...*performer) {
	for _, p := range performers {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range performers {
		p.stop()
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// exitCode waits for the end.
func (p *process) exitCode(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("%s did not end within %v", p.name, within)
		return -1
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

// server is a running gasso-server in --dev.
type server struct {
	*process
	base, ops string
	links     map[string]string // host, performer, listener
	data      string
}

func startServer(t testing.TB, env []string, args ...string) *server {
	t.Helper()
	data := t.TempDir()
	return startServerAt(t, env, data, freeAddress(t), args...)
}

func startServerAt(t testing.TB, env []string, data, address string, args ...string) *server {
	t.Helper()
	ops := freeAddress(t)
	all := append([]string{"serve", "--dev", "--http", address, "--ops", ops, "--rtc-udp", "0", "--rtc-tcp", "0", "--data", data}, args...)
	s := &server{process: start(t, env, filepath.Join(root, "bin/gasso-server"), all...), base: "http://" + address, ops: "http://" + ops, links: map[string]string{}, data: data}
	eventually(t, 60*time.Second, "the server prints its links", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("the server ended: %s", s.stderr.String())
		default:
		}
		for _, line := range strings.Split(s.stdout.String(), "\n") {
			if f := strings.Fields(line); len(f) == 2 {
				s.links[f[0]] = f[1]
			}
		}
		return s.links["host"] != "" && s.links["performer"] != "" && s.links["listener"] != ""
	})
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// hostToken is the token in the host link.
func (s *server) hostToken() string {
	_, token, _ := strings.Cut(s.links["host"], "#")
	return token
}

// metric sums the samples of one metric whose line has every one of the labels.
func (s *server) metric(name string, labels ...string) float64 {
	s.t.Helper()
	body := get(s.t, s.ops+"/metrics")
	sum, found := 0.0, false
lines:
	for _, line := range strings.Split(string(body), "\n") {
		if !strings.HasPrefix(line, name+" ") && !strings.HasPrefix(line, name+"{") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(line, l) {
				continue lines
			}
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v); err == nil {
			sum, found = sum+v, true
		}
	}
	if !found {
		s.t.Fatalf("there is no metric %s %v in:\n%s", name, labels, tail(string(body)))
	}
	return sum
}

func get(t testing.TB, url string) []byte {
	t.Helper()
	body, err := tryGet(url)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func tryGet(url string) ([]byte, error) {
	r, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s %s", url, r.Status, tail(string(body)))
	}
	return body, nil
}

// request makes an API call and returns the status and the body.
func (s *server) request(method, path, token, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, string(text)
}

// performer is a running gasso headless.
type performer struct {
	*process
	name, stats, heard string // heard is the WAV of its loudspeaker
}

func startPerformer(t testing.TB, s *server, env []string, name string, args ...string) *performer {
	t.Helper()
	dir := t.TempDir()
	p := &performer{name: name, stats: filepath.Join(dir, "stats.ndjson"), heard: filepath.Join(dir, "heard.wav")}
	all := append([]string{"headless", "--server", s.base, "--room", "demo", "--name", name, "--stats", p.stats, "--output", "file:" + p.heard}, args...)
	p.process = start(t, env, filepath.Join(root, "bin/gasso"), all...)
	return p
}

// statsLine is what the tests read of gasso headless --stats.
type statsLine struct {
	State         string                   `json:"state"`
	Problem       string                   `json:"problem"`
	ParticipantID string                   `json:"participant_id"`
	CPUPercent    float64                  `json:"cpu_percent"`
	MemoryBytes   float64                  `json:"memory_bytes"`
	PeakDB        float64                  `json:"peak_db"`
	Publications  []session.PublicationSum `json:"publications"`
	LimitedBy     session.Limit            `json:"limited_by"` // of what is sent
	Receiving     session.Receives         `json:"receiving"`
	Findings      []finding                `json:"findings"`
	Performers    []struct {
		ID             string  `json:"id"`
		Name           string  `json:"name"`
		Quality        string  `json:"quality"`
		Direct         bool    `json:"direct"`
		PacketsDirect  int64   `json:"packets_direct"`
		PacketsForward int64   `json:"packets_forwarded"`
		ConcealedRatio float64 `json:"concealed_ratio"`
		PeakDB         float64 `json:"peak_db"`
	} `json:"performers"`
}

// finding is what is wrong and on whose side, as statistics say it.
type finding struct {
	Kind          session.FindingKind `json:"kind"`
	ParticipantID string              `json:"participant_id"`
	LostRatio     float64             `json:"lost_ratio"`
}

// lines are all statistics so far.
func (p *performer) lines() (lines []statsLine) {
	f, err := os.Open(p.stats)
	if err != nil {
		return nil
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l statsLine
		if json.Unmarshal(scanner.Bytes(), &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines
}

// last is the newest line.
func (p *performer) last() statsLine {
	if lines := p.lines(); len(lines) > 0 {
		return lines[len(lines)-1]
	}
	return statsLine{}
}

// hears waits until p receives good sound from so many others.
func (p *performer) hears(others int) {
	p.t.Helper()
	eventually(p.t, 20*time.Second, fmt.Sprintf("%s hears %d others", p.name, others), func() bool {
		good := 0
		for _, o := range p.last().Performers {
			if o.Quality == "good" || o.Quality == "fair" {
				good++
			}
		}
		return good == others
	})
}

// run runs a program to its end and returns its standard output.
func run(t testing.TB, stdin io.Reader, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(errs.String()))
	}
	return out.Bytes()
}
