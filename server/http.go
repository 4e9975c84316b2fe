package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self' blob:; connect-src 'self'; " +
	"img-src 'self' data:; worker-src 'self' blob:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

const maxBody = 16 << 10 // bytes of an API request

// route is one thing that the public port serves: method and path, as http.ServeMux reads them.
type route struct {
	pattern string
	serve   http.HandlerFunc
}

// routes are all that the public port serves. What starts with apiBase stands in openapi.yaml too.
func (s *Server) routes() []route {
	return []route{
		{"GET /{$}", s.serveLanding},
		{"GET /room/{id}", s.serveRoomPage},
		{"GET /join/{id}", s.serveJoinPage},
		{"GET /assets/{path...}", s.serveAsset},
		{"GET /live/{folder}/{path...}", s.serveLive},
		{"OPTIONS /live/{folder}/{path...}", s.serveLive},
		{"GET /ws", s.registry.ServeWS},
		{"GET " + apiBase + "/openapi.yaml", serveDescription},
		{"GET " + apiBase + "/rooms/{id}", s.serveRoom},
		{"GET " + apiBase + "/rooms/{id}/strips", s.serveStrips},
		{"PATCH " + apiBase + "/rooms/{id}/strips/{participant}", s.patchStrip},
		{"POST " + apiBase + "/rooms/{id}/on-air", s.postOnAir},
	}
}

// handler is the public port. What stands in no route is 404.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.pattern, r.serve)
	}
	guarded := s.recoverPanic(s.secureHeaders(mux))
	if len(s.proxies) == 0 && !s.cfg.tls() && s.cfg.PublicURL == "" {
		guarded = guardHost(s.HTTPAddr(), guarded)
	}
	return s.proxies.handler(guarded)
}

// newHTTPServer bounds everything that a client can take its time over. Signaling connections leave
// these bounds when they are taken over, and have their own.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// secureHeaders sets what browsers enforce on every answer.
func (s *Server) secureHeaders(next http.Handler) http.Handler {
	encrypted := strings.HasPrefix(s.base, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if encrypted {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// guardHost has a listener of this machine alone answer only requests for loopback names: a page
// elsewhere must not reach it under a name of its own (DNS rebinding).
func guardHost(listening net.Addr, next http.Handler) http.Handler {
	if !loopbackHost(listening.String()) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := (&url.URL{Host: r.Host}).Hostname(); !loopbackHost("["+host+"]:0") && !loopbackHost(host+":0") {
			http.Error(w, "This server answers to 127.0.0.1 and localhost. Give it --public-url to use another name.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error("request panicked", "route", r.Pattern, "panic", p, "stack", string(debug.Stack()))
				http.Error(w, "The server made a mistake.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// sameOrigin lets apps, which send no origin, and our own pages open a signaling connection. Behind a
// proxy the name in the request proves nothing: there only the public one counts.
func (s *Server) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if own, err := url.Parse(s.base); err == nil && u.Scheme == own.Scheme && strings.EqualFold(u.Host, own.Host) {
		return true
	}
	return len(s.proxies) == 0 && strings.EqualFold(u.Host, r.Host)
}

// serveLive serves a room's broadcast; anybody with the link may listen, from any site.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutPrefix(r.PathValue("folder"), "room-")
	b := s.broadcastOf(id)
	if !ok || b == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	http.StripPrefix("/live/room-"+id, b).ServeHTTP(w, r)
}
