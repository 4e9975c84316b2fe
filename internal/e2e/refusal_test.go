package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gasso/internal/soundrig"
	"gasso/net/signaling"
)

// headless runs gasso headless and returns its process, without any defaults.
func headless(t testing.TB, env []string, args ...string) *process {
	return start(t, env, filepath.Join(root, "bin/gasso"), append([]string{"headless", "--output", "null", "--input", "silence"}, args...)...)
}

func serverCommand(t testing.TB, env []string, args ...string) *process {
	return start(t, env, filepath.Join(root, "bin/gasso-server"), args...)
}

// refused expects an end with code 1 and words.
func refused(t *testing.T, p *process, words ...string) {
	t.Helper()
	if code := p.exitCode(20 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	said := p.stderr.String()
	for _, w := range words {
		if !strings.Contains(strings.ToLower(said), strings.ToLower(w)) {
			t.Errorf("the error does not say %q: %s", w, tail(said))
		}
	}
	if strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		t.Errorf("it crashed: %s", tail(said))
	}
}

// TestRefusalsLeaveTheRoomAlone lets one bad join after another meet a room in which two play.
func TestRefusalsLeaveTheRoomAlone(t *testing.T) {
	s := startServer(t, nil)
	a := startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	b := startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	a.hears(1)
	b.hears(1)
	run(t, nil, filepath.Join(root, "bin/gasso-server"), "room", "create", "closed", "--data", s.data)
	expiring := strings.TrimSpace(string(run(t, nil, filepath.Join(root, "bin/gasso-server"), "invite", "--room", "closed", "--role", "performer", "--expires", "1s", "--data", s.data)))
	time.Sleep(1100 * time.Millisecond)

	t.Run("unknown room", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "nowhere"), "nowhere")
	})
	t.Run("no invite", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "closed"), "invite")
	})
	t.Run("wrong invite", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "closed", "--token", "eyJhbGciOiJub25lIn0.e30."), "invite")
	})
	t.Run("invite of another room", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "closed", "--token", s.hostToken()), "invite")
	})
	t.Run("expired invite", func(t *testing.T) {
		refused(t, headless(t, nil, "--invite", lastField(expiring)), "expired")
	})
	t.Run("not an invite", func(t *testing.T) {
		refused(t, headless(t, nil, "--invite", s.links["listener"]), "invite link")
	})
	t.Run("live id without its secret", func(t *testing.T) {
		answer := join(t, s, &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: "Mallory",
			Resume: &signaling.Resume{ParticipantID: a.last().ParticipantID, Secret: "guess"}})
		wantCode(t, answer, signaling.CodeResume)
	})
	t.Run("wrong protocol version", func(t *testing.T) {
		wantCode(t, join(t, s, &signaling.JoinRoom{Protocol: 99, RoomID: "demo", UserID: "Zoe"}), signaling.CodeVersion)
	})
	t.Run("performer moves a fader of the program", func(t *testing.T) {
		gain := -60.0
		answer := join(t, s, &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: "Eve", Topology: signaling.TopologySFU},
			&signaling.StripSet{ParticipantID: a.last().ParticipantID, GainDB: &gain})
		wantCode(t, answer, signaling.CodeForbidden)
	})
	t.Run("description that is not audio", func(t *testing.T) {
		answer := join(t, s, &signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: "Vic", Topology: signaling.TopologySFU},
			&signaling.Signal{To: signaling.ServerID, Link: "x", Description: &signaling.Description{Type: "answer", SDP: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"}})
		wantCode(t, answer, signaling.CodeBadMedia)
	})
	a.hears(1)
	b.hears(1)
	for _, p := range []*performer{a, b} {
		if p.last().State != "joined" {
			t.Errorf("%s is %s after the refusals", p.name, p.last().State)
		}
	}
}

func lastField(s string) string {
	f := strings.Fields(s)
	return f[len(f)-1]
}

// join opens a signaling connection, sends messages and returns the first error that the server answers with.
func join(t *testing.T, s *server, messages ...signaling.Message) *signaling.Error {
	t.Helper()
	conn, err := signaling.Dial(context.Background(), s.base+"/ws", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(nil)
	timer := time.AfterFunc(10*time.Second, func() { conn.Finish(nil) })
	defer timer.Stop()
	for _, m := range messages {
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for {
		m, err := conn.Receive()
		var refusal *signaling.Error
		if errors.As(err, &refusal) {
			return refusal
		}
		if err != nil {
			t.Fatalf("the connection ended without an error message: %v", err)
		}
		if refusal, ok := m.(*signaling.Error); ok {
			return refusal
		}
	}
}

func wantCode(t *testing.T, e *signaling.Error, code string) {
	t.Helper()
	t.Logf("refused with %s: %s", e.Code, e.Error())
	if e.Code != code || e.Message == "" {
		t.Errorf("refused with %q (%s), want %q", e.Code, e.Message, code)
	}
}

func TestWhatIsWrongAtTheStartIsSaid(t *testing.T) {
	s := startServer(t, nil)
	address := strings.TrimPrefix(s.base, "http://")
	serve := func(args ...string) []string {
		return append([]string{"serve", "--dev", "--ops", "off", "--rtc-udp", "0", "--rtc-tcp", "0"}, args...)
	}
	t.Run("port in use", func(t *testing.T) {
		refused(t, serverCommand(t, nil, serve("--http", address, "--data", t.TempDir())...), address, "in use")
	})
	t.Run("data folder cannot be written", func(t *testing.T) {
		refused(t, serverCommand(t, nil, serve("--http", "127.0.0.1:0", "--data", "/dev/null/gasso")...), "/dev/null/gasso")
	})
	t.Run("plain HTTP outside loopback", func(t *testing.T) {
		refused(t, serverCommand(t, nil, "serve", "--http", "0.0.0.0:0", "--data", t.TempDir()), "TLS")
	})
	t.Run("unknown key in the configuration", func(t *testing.T) {
		refused(t, serverCommand(t, []string{"GASSO_NO_SUCH_THING=1"}, serve("--http", "127.0.0.1:0", "--data", t.TempDir())...), "no_such_thing")
	})
	t.Run("input that is not audio", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "demo", "--input", "file:"+root+"/README.md"), "not audio")
	})
	t.Run("no such device", func(t *testing.T) {
		rig := soundrig.Start(t)
		cable := rig.Cable("here")
		refused(t, headless(t, rig.Env(), "--server", s.base, "--room", "demo", "--input", "device:elsewhere"), "no such sound device", cable.Mic)
	})
	t.Run("unknown mode", func(t *testing.T) {
		refused(t, headless(t, nil, "--server", s.base, "--room", "demo", "--mode", "fast"), "studio")
	})
	t.Run("command without a server", func(t *testing.T) {
		refused(t, serverCommand(t, nil, "room", "list", "--data", t.TempDir()), "server")
	})
}

// TestUnreachableServerIsTriedAgain starts the performer before the server.
func TestUnreachableServerIsTriedAgain(t *testing.T) {
	address := freeAddress(t)
	p := headless(t, nil, "--server", "http://"+address, "--room", "demo")
	eventually(t, 10*time.Second, "the performer says that the server cannot be reached", func() bool {
		return strings.Contains(p.stdout.String(), "cannot be reached. Trying again")
	})
	startServerAt(t, nil, t.TempDir(), address)
	eventually(t, 20*time.Second, "the performer joins", func() bool { return strings.Contains(p.stdout.String(), "demo joined") })
}

func TestWithoutFFmpegTheProgramIsOpus(t *testing.T) {
	s := startServer(t, nil, "--ffmpeg", "no-such-ffmpeg")
	if said := s.stderr.String() + s.stdout.String(); !strings.Contains(said, "Opus") || !strings.Contains(said, "ffmpeg") {
		t.Errorf("the server does not say at its start that ffmpeg is missing: %s", said)
	}
	startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	pcm := s.programSince(time.Now().Add(time.Second))
	if got := level(pcm, 440); got < toneDB-1 || got > toneDB+1 {
		t.Errorf("the Opus program carries the tone at %.1f dB, want %d", got, toneDB)
	}
	if playlist := string(get(t, s.base+"/live/room-demo/playlist.m3u8")); !strings.Contains(strings.ToLower(playlist), "opus") {
		t.Errorf("the playlist names no Opus rendition:\n%s", playlist)
	}
}

// TestMemoryLimitRefusesNewRoomsOnly gives a server little more than it needs at its start.
func TestMemoryLimitRefusesNewRoomsOnly(t *testing.T) {
	probe := startServer(t, nil)
	atStart := probe.metric("process_resident_memory_bytes") / (1 << 20)
	probe.stop()
	s := startServer(t, nil, "--limits-memory-mb", fmt.Sprintf("%.0f", atStart+1))
	a := startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	b := startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	a.hears(1)
	b.hears(1)
	said := ""
	eventually(t, 20*time.Second, "a new room is refused for lack of memory", func() bool {
		p := serverCommand(t, nil, "room", "create", "jazz", "--data", s.data)
		if p.exitCode(10*time.Second) == 0 {
			run(t, nil, filepath.Join(root, "bin/gasso-server"), "room", "close", "jazz", "--data", s.data)
		}
		said = p.stderr.String()
		return strings.Contains(said, "memory")
	})
	t.Logf("refused: %s", strings.TrimSpace(said))
	a.hears(1)
	b.hears(1)
}

func TestServerEndsInOrder(t *testing.T) {
	s := startServer(t, nil)
	a := startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	eventually(t, 10*time.Second, "Ann joins", func() bool { return a.last().State == "joined" })
	s.stop()
	if code := s.exitCode(time.Second); code != 0 {
		t.Errorf("the server ended with %d after SIGTERM, want 0", code)
	}
	eventually(t, 10*time.Second, "Ann notices", func() bool { return a.last().State == "reconnecting" })
	address := strings.TrimPrefix(s.base, "http://")
	startServerAt(t, nil, s.data, address)
	eventually(t, 20*time.Second, "Ann joins again", func() bool { return a.last().State == "joined" })
	a.stop()
	if code := a.exitCode(time.Second); code != 0 {
		t.Errorf("the performer ended with %d after SIGTERM, want 0", code)
	}
}
