package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gasso/net/signaling"
)

// bearer makes a token for a role in a room.
func bearer(t *testing.T, s *Server, id string, role signaling.Role) string {
	t.Helper()
	token, _, err := s.invites.Issue(id, role, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask sends one request and returns status, headers and body.
func ask(t *testing.T, s *Server, method, path, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// Every route that is served, asked by every role. A route that is not in this table is denied.
func TestRoutesByRole(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	cfg.Rooms = []RoomConfig{{ID: "choir"}, {ID: "other"}}
	s, _ := start(t, cfg)
	expired, _, err := s.invites.Issue("choir", signaling.RoleHost, time.Now().Add(-2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	who := []struct{ name, token string }{
		{"nobody", ""},
		{"listener", bearer(t, s, "choir", signaling.RoleListener)},
		{"performer", bearer(t, s, "choir", signaling.RolePerformer)},
		{"host", bearer(t, s, "choir", signaling.RoleHost)},
		{"host of another room", bearer(t, s, "other", signaling.RoleHost)},
		{"host, expired", expired},
		{"nonsense", "nonsense"},
	}
	open := []int{200, 200, 200, 200, 200, 200, 200}
	same := func(code int) []int { return []int{code, code, code, code, code, code, code} }
	for _, r := range []struct {
		method, path, body string
		want               []int
	}{
		{"GET", "/", "", open},
		{"GET", "/room/choir", "", open},
		{"GET", "/room/unknown", "", same(404)},
		{"GET", "/join/choir", "", open},
		{"GET", "/join/a..b", "", same(404)},
		{"GET", "/assets/player.js", "", open},
		{"GET", "/assets/style.css", "", open},
		{"GET", "/assets/index.html", "", same(404)},
		{"GET", "/assets/embed.go", "", same(404)},
		{"GET", "/assets/../server.go", "", same(307)}, // to /server.go
		{"GET", "/server.go", "", same(404)},
		{"GET", "/live/room-choir/playlist.m3u8", "", same(404)},
		{"GET", "/live/room-unknown/playlist.m3u8", "", same(404)},
		{"GET", "/live/choir/playlist.m3u8", "", same(404)},
		{"GET", "/api/v1/rooms/choir", "", open},
		{"GET", "/api/v1/rooms/unknown", "", same(404)},
		{"GET", "/api/v1/rooms", "", same(404)},
		{"GET", "/api/v1/openapi.yaml", "", open},
		{"POST", "/api/v1/openapi.yaml", "", same(405)},
		{"GET", "/api/v1/rooms/choir/strips", "", []int{401, 403, 200, 200, 401, 401, 401}},
		{"PATCH", "/api/v1/rooms/choir/strips/p0", `{"gainDB":1}`, []int{401, 403, 403, 404, 401, 401, 401}},
		{"POST", "/api/v1/rooms/choir/on-air", `{"live":false}`, []int{401, 403, 403, 200, 401, 401, 401}},
		{"DELETE", "/api/v1/rooms/choir", "", same(405)},
		{"POST", "/room/choir", "", same(405)},
		{"GET", "/metrics", "", same(404)},
		{"GET", "/healthz", "", same(404)},
		{"POST", "/invites", "{}", same(404)},
		{"GET", "/rooms", "", same(404)},
		{"GET", "/ws", "", same(400)},
	} {
		for i, w := range who {
			header := map[string]string{}
			if w.token != "" {
				header["Authorization"] = "Bearer " + w.token
			}
			resp, body := ask(t, s, r.method, r.path, r.body, header)
			if resp.StatusCode != r.want[i] {
				t.Errorf("%s %s by %s: %d %s, want %d", r.method, r.path, w.name, resp.StatusCode, body, r.want[i])
			}
			if resp.Header.Get("Content-Security-Policy") != contentPolicy || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: security headers are missing: %v", r.method, r.path, resp.Header)
			}
		}
	}
}

func TestBadBodiesAreRefused(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	a := joinRoom(t, linkOf(t, s, "performer"), "Ai", 0)
	header := map[string]string{"Authorization": "Bearer " + bearer(t, s, demoRoom, signaling.RoleHost)}
	path := "/api/v1/rooms/demo/strips/" + a.joined.ParticipantID
	for _, c := range []struct {
		name, path, body string
		want             int
		word             string
	}{
		{"good", path, `{"gainDB":-6,"pan":0.5}`, 200, `"gainDB":-6`},
		{"absent fields stay", path, `{"mute":true}`, 200, `"gainDB":-6`},
		{"too loud", path, `{"gainDB":40}`, 400, "between -80 and 12"},
		{"unknown field", path, `{"gain":1}`, 400, "unknown field"},
		{"no JSON", path, `loud`, 400, "malformed"},
		{"two objects", path, `{} {}`, 400, "follows"},
		{"too much", path, `{"participantId":"` + strings.Repeat("x", maxBody) + `"}`, 413, "too-large"},
		{"somebody else", path, `{"participantId":"p1"}`, 400, "Leave it out"},
		{"nobody there", "/api/v1/rooms/demo/strips/p0", `{}`, 404, "unknown-participant"},
	} {
		resp, body := ask(t, s, "PATCH", c.path, c.body, header)
		if resp.StatusCode != c.want || !strings.Contains(body, c.word) {
			t.Errorf("%s: %d %s, want %d and %q", c.name, resp.StatusCode, body, c.want, c.word)
		}
	}
}

func TestForeignNamesAndOriginsAreRefused(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	upgrade := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, c := range []struct {
		name, path string
		header     map[string]string
		want       int
	}{
		{"rebound name", "/", map[string]string{"Host": "evil.example"}, 421},
		{"localhost", "/join/demo", map[string]string{"Host": "localhost:1"}, 200},
		{"foreign origin", "/ws", map[string]string{"Origin": "https://evil.example"}, 403},
		{"opaque origin", "/ws", map[string]string{"Origin": "null"}, 403},
		{"own origin", "/ws", map[string]string{"Origin": s.base}, 101},
		{"no origin", "/ws", nil, 101},
	} {
		header := map[string]string{}
		if c.path == "/ws" {
			for k, v := range upgrade {
				header[k] = v
			}
		}
		for k, v := range c.header {
			header[k] = v
		}
		if got := status(t, s, c.path, header); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// status is ask for answers that may have no end.
func status(t *testing.T, s *Server, path string, header map[string]string) int {
	t.Helper()
	req, err := http.NewRequest("GET", s.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestPublicStatus(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	joinRoom(t, linkOf(t, s, "performer"), "アイ", 0)
	_, body := ask(t, s, "GET", "/api/v1/rooms/demo", "", nil)
	for _, want := range []string{`"id":"demo"`, `"title":"Demo"`, `"state":"waiting"`, `"performers":[{"name":"アイ"}]`,
		`"sinceUnixMs":1`, `"playlist":"/live/room-demo/playlist.m3u8"`} {
		if !strings.Contains(body, want) {
			t.Errorf("status %s lacks %s", body, want)
		}
	}
}

func TestOperationsListener(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/ws": 404, "/": 404} {
		if got, _ := get(t, "http://"+s.OpsAddr().String()+path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	rebound, err := http.NewRequest(http.MethodGet, "http://"+s.OpsAddr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	rebound.Host = "evil.example"
	resp, err := http.DefaultTransport.RoundTrip(rebound)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a page under a name of its own gets %d, want 421", resp.StatusCode)
	}
	s.draining.Store(true)
	if got, _ := get(t, "http://"+s.OpsAddr().String()+"/readyz"); got != 503 {
		t.Errorf("readyz while the server ends: %d, want 503", got)
	}
	if got, _ := get(t, "http://"+s.OpsAddr().String()+"/healthz"); got != 200 {
		t.Errorf("healthz while the server ends: %d, want 200", got)
	}
}
