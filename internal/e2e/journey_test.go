package e2e

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/net/signaling"
)

// Tones of three performers in Hz, and their level in dBFS as tone inputs play them.
var tones = []float64{440, 660, 880}

const toneDB = -12

// level is the typical level of a tone in dBFS: the median over blocks of 100 ms, so that a moment
// in which this machine was too busy does not count, and neither does a jump of phase.
func level(pcm []float32, hz float64) float64 {
	levels := blockLevels(pcm, hz)
	if len(levels) == 0 {
		return -120
	}
	slices.Sort(levels)
	return levels[len(levels)/2]
}

// share tells in which part of the time a tone is at its full level, in blocks of 100 ms.
func share(pcm []float32, hz float64) float64 {
	blocks := blockLevels(pcm, hz)
	good := 0
	for _, db := range blocks {
		if math.Abs(db-toneDB) < 1 {
			good++
		}
	}
	return float64(good) / float64(max(1, len(blocks)))
}

// blockLevels are the levels of a tone in each 100 ms, on the louder channel.
func blockLevels(pcm []float32, hz float64) (levels []float64) {
	const block = 2 * 4800
	for ; len(pcm) >= block; pcm = pcm[block:] {
		levels = append(levels, max(audiotest.ToneLevelDB(pcm[:block], 0, 2, hz), audiotest.ToneLevelDB(pcm[:block], 1, 2, hz)))
	}
	return levels
}

// TestBothTonesAreOnAirWithinTenSeconds is the shortest way through the whole product.
func TestBothTonesAreOnAirWithinTenSeconds(t *testing.T) {
	s := startServer(t, nil)
	joined := time.Now()
	startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	for {
		if initURI, segments, err := s.listen(); err == nil && len(segments) > 0 {
			pcm := decode(t, append(get(t, initURI), get(t, segments[len(segments)-1].uri)...))
			a, b := level(seconds(pcm, 1, 0.9), 440), level(seconds(pcm, 1, 0.9), 660)
			if a > toneDB-3 && b > toneDB-3 {
				t.Logf("both tones decoded %.1f s after the first join: 440 Hz %.1f dB, 660 Hz %.1f dB", time.Since(joined).Seconds(), a, b)
				return
			}
		}
		if time.Since(joined) > 10*time.Second {
			t.Fatal("both tones are not on air after 10 s")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestThreePerformersHearEachOtherAndTheProgramCarriesAll(t *testing.T) {
	s := startServer(t, nil)
	performers := make([]*performer, len(tones))
	for i, hz := range tones {
		performers[i] = startPerformer(t, s, nil, fmt.Sprintf("P%.0f", hz), "--input", fmt.Sprintf("tone:%.0f", hz))
	}
	for _, p := range performers {
		p.hears(2)
	}
	before := s.programSince(time.Now())
	for _, hz := range tones {
		got := level(before, hz)
		t.Logf("program carries %.0f Hz at %.2f dB", hz, got)
		if math.Abs(got-toneDB) > 1 {
			t.Errorf("program carries %.0f Hz at %.2f dB, want %d", hz, got, toneDB)
		}
	}
	id := performers[0].last().ParticipantID
	moveStrip(t, s, id, before)
	muteStrip(t, s, id, before)
	refuseStrip(t, s, id)
	stopTogether(performers...)
	for i, p := range performers {
		hearsOthersOnly(t, p, i)
	}
}

// moveStrip turns the first performer down by 6 dB, as the host's app does.
func moveStrip(t *testing.T, s *server, id string, before []float32) {
	t.Helper()
	desk := enter(t, s, s.hostToken())
	gain := -6.0
	if err := desk.Send(&signaling.StripSet{ParticipantID: id, GainDB: &gain}); err != nil {
		t.Fatal(err)
	}
	awaitMessage(t, desk, func(m *signaling.StripChanged) bool { return m.ParticipantID == id && m.GainDB == gain })
	after := s.programSince(time.Now().Add(200 * time.Millisecond))
	for i, hz := range tones {
		change := level(after, hz) - level(before, hz)
		want := map[bool]float64{true: gain, false: 0}[i == 0]
		t.Logf("strip-set %.0f dB: %.0f Hz changed by %+.2f dB to %.2f dB", gain, hz, change, level(after, hz))
		if math.Abs(change-want) > 0.5 {
			t.Errorf("%.0f Hz changed by %.2f dB, want %.1f", hz, change, want)
		}
	}
}

// muteStrip silences the first performer by the API.
func muteStrip(t *testing.T, s *server, id string, before []float32) {
	t.Helper()
	if code, body := s.request(http.MethodPatch, "/api/v1/rooms/demo/strips/"+id, s.hostToken(), `{"mute":true}`); code/100 != 2 {
		t.Fatalf("host's mute: %d %s", code, body)
	}
	muted := s.programSince(time.Now().Add(200 * time.Millisecond))
	for i, hz := range tones {
		got := level(muted, hz)
		t.Logf("mute: %.0f Hz at %.1f dB", hz, got)
		if i == 0 && got > -60 || i > 0 && math.Abs(got-level(before, hz)) > 0.5 {
			t.Errorf("with %.0f Hz muted, %.0f Hz is at %.1f dB", tones[0], hz, got)
		}
	}
}

// refuseStrip tries the same without a token and as a performer.
func refuseStrip(t *testing.T, s *server, id string) {
	t.Helper()
	path := "/api/v1/rooms/demo/strips/" + id
	if code, _ := s.request(http.MethodPatch, path, "", `{"gainDB":0}`); code != http.StatusUnauthorized {
		t.Errorf("strip change without a token was answered with %d", code)
	}
	invite := strings.TrimSpace(string(run(t, nil, filepath.Join(root, "bin/gasso-server"), "invite", "--room", "demo", "--role", "performer", "--data", s.data)))
	_, token, _ := strings.Cut(lastField(invite), "#")
	if code, body := s.request(http.MethodPatch, path, token, `{"gainDB":0}`); code != http.StatusForbidden {
		t.Errorf("a performer's strip change was answered with %d %s", code, body)
	}
}

// hearsOthersOnly looks at the last 2 s of a performer's loudspeaker: the others' tones all the time,
// its own never.
func hearsOthersOnly(t *testing.T, p *performer, own int) {
	t.Helper()
	heard := lastSeconds(readWAV(t, p.heard), 2)
	for i, hz := range tones {
		got, good := level(heard, hz), share(heard, hz)
		t.Logf("%s hears %.0f Hz at %.1f dB, at full level in %.0f %% of the time", p.name, hz, got, 100*good)
		if i == own && got > -60 {
			t.Errorf("%s hears itself at %.1f dB", p.name, got)
		}
		if i != own && good < 0.95 {
			t.Errorf("%s hears %.0f Hz at %.1f dB, at %d dB in only %.0f %% of the time", p.name, hz, got, toneDB, 100*good)
		}
	}
}

// enter joins the room by signaling alone, without media.
func enter(t *testing.T, s *server, token string) *signaling.Conn {
	t.Helper()
	conn, err := signaling.Dial(context.Background(), s.base+"/ws", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(nil) })
	if err := conn.Send(&signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: "demo", UserID: "Desk", Token: token, Topology: signaling.TopologySFU}); err != nil {
		t.Fatal(err)
	}
	awaitMessage(t, conn, func(*signaling.Joined) bool { return true })
	return conn
}

// awaitMessage reads on until a message of the wanted type passes the check.
func awaitMessage[M signaling.Message](t *testing.T, conn *signaling.Conn, wanted func(M) bool) {
	t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { conn.Finish(nil) })
	defer timer.Stop()
	for {
		m, err := conn.Receive()
		if err != nil {
			t.Fatalf("no %T came: %v", *new(M), err)
		}
		if got, ok := m.(M); ok && wanted(got) {
			return
		}
	}
}

func TestMixReceiverHearsEverybodyButItself(t *testing.T) {
	// The codec's noise repeats with the others' tones and its frames: it has lines at every 10 Hz, 880 among
	// them, up to 48 dB below the tones. Over 2 s nothing of it falls on 1013.
	const own = 1013
	s := startServer(t, nil)
	startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	guest := startPerformer(t, s, nil, "Guest", "--input", "tone:1013", "--receive", "mix")
	eventually(t, 20*time.Second, "the guest's loudspeaker has 3 s of both tones", func() bool {
		return guest.lastHeardAtLeast(-20, 440, 660)
	})
	time.Sleep(3 * time.Second) // the buffer still finds its length, and a splice is heard at every frequency
	guest.stop()
	heard := lastSeconds(readWAV(t, guest.heard), 2)
	for _, hz := range []float64{440, 660, own} {
		got := level(heard, hz)
		if hz == own {
			got = max(audiotest.ToneLevelDB(heard, 0, 2, hz), audiotest.ToneLevelDB(heard, 1, 2, hz))
		}
		t.Logf("the guest hears %.0f Hz at %.1f dB", hz, got)
		if hz == own && got > -60 || hz != own && math.Abs(got-toneDB) > 1 {
			t.Errorf("the guest hears %.0f Hz at %.1f dB", hz, got)
		}
	}
	if _, direct := guest.packets(); direct != 0 {
		t.Errorf("the guest got %d packets directly", direct)
	}
}

// lastHeardAtLeast tells whether the newest seconds of the loudspeaker carry all the tones.
func (p *performer) lastHeardAtLeast(db float64, hz ...float64) bool {
	if _, err := os.Stat(p.heard); err != nil {
		return false
	}
	pcm := readWAV(p.t, p.heard)
	if len(pcm) < 4*96000 {
		return false
	}
	for _, f := range hz {
		if level(lastSeconds(pcm, 2), f) < db {
			return false
		}
	}
	return true
}

// packets sums what came on both ways.
func (p *performer) packets() (forwarded, direct int64) {
	for _, o := range p.last().Performers {
		forwarded += o.PacketsForward
		direct += o.PacketsDirect
	}
	return forwarded, direct
}

func TestPeerToPeerGoesOnWithoutTheServer(t *testing.T) {
	s := startServer(t, nil)
	a := startPerformer(t, s, nil, "Ann", "--input", "tone:440", "--topology", "p2p")
	b := startPerformer(t, s, nil, "Bo", "--input", "tone:660", "--topology", "p2p")
	a.hears(1)
	b.hears(1)
	if n := s.metric("gasso_sfu_packets_forwarded_total"); n != 0 {
		t.Errorf("the server forwarded %.0f packets to performers in topology p2p", n)
	}
	s.kill()
	killed := time.Now()
	_, before := a.packets()
	for time.Since(killed) < 30*time.Second {
		time.Sleep(time.Second)
	}
	line := a.last()
	if line.State != "reconnecting" || !strings.Contains(line.Problem, "server") {
		t.Errorf("without the server Ann is %s and says %q", line.State, line.Problem)
	}
	a.hears(1)
	b.hears(1)
	if _, after := a.packets(); float64(after-before) < 30*200*0.9 {
		t.Errorf("Ann got %d packets in the 30 s after the server's end, want about %d", after-before, 30*200)
	}
	stopTogether(a, b)
	for p, hz := range map[*performer]float64{a: 660, b: 440} {
		heard := lastSeconds(readWAV(t, p.heard), 28)
		t.Logf("%s heard %.0f Hz at %d dB in %.1f %% of the last 28 s", p.name, hz, toneDB, 100*share(heard, hz))
		if len(heard) < 27*2*48000 || share(heard, hz) < 0.97 {
			t.Errorf("%s heard %.0f Hz in only %.1f %% of %d s after the server's end", p.name, hz, 100*share(heard, hz), len(heard)/96000)
		}
	}
}

func TestForwardedOnlyHasNoDirectConnection(t *testing.T) {
	s := startServer(t, nil)
	a := startPerformer(t, s, nil, "Ann", "--input", "tone:440", "--topology", "sfu")
	b := startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	a.hears(1)
	b.hears(1)
	time.Sleep(2 * time.Second) // time in which a wrong direct connection would come up
	for _, p := range []*performer{a, b} {
		forwarded, direct := p.packets()
		if forwarded == 0 || direct != 0 || p.last().Performers[0].Direct {
			t.Errorf("%s got %d packets through the server and %d directly", p.name, forwarded, direct)
		}
	}
	if n := s.metric("gasso_sfu_packets_forwarded_total"); n == 0 {
		t.Error("the server's counter of forwarded packets stayed 0")
	}
}
