package server

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var mediaSequence = regexp.MustCompile(`#EXT-X-MEDIA-SEQUENCE:(\d+)`)

// mediaPlaylist waits for a room's media playlist and returns its path and first sequence number.
func mediaPlaylist(t *testing.T, s *Server) (path string, sequence int) {
	t.Helper()
	waitFor(t, 20*time.Second, "playlist", func() bool {
		code, _ := get(t, s.base+"/live/room-demo/playlist.m3u8")
		return code == 200
	})
	_, multivariant := get(t, s.base+"/live/room-demo/playlist.m3u8")
	lines := strings.Split(strings.TrimSpace(multivariant), "\n")
	path = lines[len(lines)-1]
	_, media := get(t, s.base+"/live/room-demo/"+path)
	m := mediaSequence.FindStringSubmatch(media)
	if m == nil {
		t.Fatalf("no media sequence in %s", media)
	}
	sequence, err := strconv.Atoi(m[1])
	must(t, err)
	return path, sequence
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, stop := start(t, cfg)
	a := joinRoom(t, linkOf(t, s, "performer"), "Ai", 440)
	host := linkOf(t, s, "host")
	path, before := mediaPlaylist(t, s)
	published := s.broadcastOf(demoRoom).packager.Load().Status().NextSequence
	id, secret := a.joined.ParticipantID, a.joined.ResumeSecret
	a.close()
	stop()

	s, _ = start(t, cfg)
	_, token, _ := strings.Cut(host, "#")
	b := joinRoom(t, s.joinURL(demoRoom, token), "Ben", 440) // the invite is still good
	if b.joined.Role != "host" {
		t.Errorf("role %s after a restart, want host", b.joined.Role)
	}
	again, after := mediaPlaylist(t, s)
	if again == path || after < int(published) || after <= before {
		t.Errorf("%s from %d before, %s from %d after %d were published", path, before, again, after, published)
	}
	if code, _ := get(t, s.base+"/live/room-demo/"+path); code != 404 {
		t.Errorf("the old epoch is answered with %d, want 404", code)
	}
	if resumed := resume(t, s, id, secret); resumed.ParticipantID != id {
		t.Errorf("resumed as %s, want %s", resumed.ParticipantID, id)
	}
}
