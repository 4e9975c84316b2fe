package e2e

import (
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
	settled := time.Now()
	before := s.programSince(settled)
	for _, hz := range tones {
		got := level(before, hz)
		t.Logf("program carries %.0f Hz at %.2f dB", hz, got)
		if math.Abs(got-toneDB) > 1 {
			t.Errorf("program carries %.0f Hz at %.2f dB, want %d", hz, got, toneDB)
		}
	}

	id := performers[0].last().ParticipantID
	path := "/api/v1/rooms/demo/strips/" + id
	if code, body := s.request(http.MethodPatch, path, s.hostToken(), `{"gainDB":-6}`); code/100 != 2 {
		t.Fatalf("host's strip change: %d %s", code, body)
	}
	after := s.programSince(time.Now().Add(200 * time.Millisecond))
	for i, hz := range tones {
		change := level(after, hz) - level(before, hz)
		want := map[bool]float64{true: -6, false: 0}[i == 0]
		t.Logf("strip-set -6 dB: %.0f Hz changed by %+.2f dB to %.2f dB", hz, change, level(after, hz))
		if math.Abs(change-want) > 0.5 {
			t.Errorf("%.0f Hz changed by %.2f dB, want %.1f", hz, change, want)
		}
	}

	if code, body := s.request(http.MethodPatch, path, s.hostToken(), `{"mute":true}`); code/100 != 2 {
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
	if code, _ := s.request(http.MethodPatch, path, "", `{"gainDB":0}`); code != http.StatusUnauthorized {
		t.Errorf("strip change without a token was answered with %d", code)
	}
	invite := strings.TrimSpace(string(run(t, nil, filepath.Join(root, "bin/gasso-server"), "invite", "--room", "demo", "--role", "performer", "--data", s.data)))
	_, performerToken, _ := strings.Cut(lastField(invite), "#")
	if code, body := s.request(http.MethodPatch, path, performerToken, `{"gainDB":0}`); code != http.StatusForbidden {
		t.Errorf("a performer's strip change was answered with %d %s", code, body)
	}

	for _, p := range performers {
		p.stop()
	}
	for i, p := range performers {
		heard := lastSeconds(readWAV(t, p.heard), 2)
		for j, hz := range tones {
			got := level(heard, hz)
			t.Logf("%s hears %.0f Hz at %.1f dB", p.name, hz, got)
			if i == j && got > -60 {
				t.Errorf("%s hears itself at %.1f dB", p.name, got)
			}
			if i != j && math.Abs(got-toneDB) > 1 {
				t.Errorf("%s hears %.0f Hz at %.1f dB, want %d", p.name, hz, got, toneDB)
			}
		}
	}
}

func TestMixReceiverHearsEverybodyButItself(t *testing.T) {
	s := startServer(t, nil)
	startPerformer(t, s, nil, "Ann", "--input", "tone:440")
	startPerformer(t, s, nil, "Bo", "--input", "tone:660")
	guest := startPerformer(t, s, nil, "Guest", "--input", "tone:880", "--receive", "mix")
	eventually(t, 20*time.Second, "the guest's loudspeaker has 3 s of both tones", func() bool {
		return guest.lastHeardAtLeast(-20, 440, 660)
	})
	guest.stop()
	heard := lastSeconds(readWAV(t, guest.heard), 2)
	for _, hz := range tones {
		got := level(heard, hz)
		t.Logf("the guest hears %.0f Hz at %.1f dB", hz, got)
		if hz == 880 && got > -60 || hz != 880 && math.Abs(got-toneDB) > 1 {
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
	a.stop()
	b.stop()
	for p, hz := range map[*performer]float64{a: 660, b: 440} {
		blocks := blockLevels(lastSeconds(readWAV(t, p.heard), 28), hz)
		good := 0
		for _, db := range blocks {
			if math.Abs(db-toneDB) < 1 {
				good++
			}
		}
		share := float64(good) / float64(max(1, len(blocks)))
		t.Logf("%s heard %.0f Hz at %d dB in %.1f %% of the last 28 s", p.name, hz, toneDB, 100*share)
		if len(blocks) < 270 || share < 0.97 {
			t.Errorf("%s heard %.0f Hz in only %.1f %% of %d blocks after the server's end", p.name, hz, 100*share, len(blocks))
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
