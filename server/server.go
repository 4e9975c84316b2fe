package server

import (
	"context"
	"net"
)

// Server is one companion server.
type Server struct {
	cfg  Config
	http net.Listener
}

// New checks the configuration and opens state and sockets, so that what is in the way is said
// before anything runs. Run must follow: it also closes what New opened.
func New(cfg Config) (*Server, error) {
	l, err := net.Listen("tcp", cfg.HTTP)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, http: l}, nil
}

// Run serves until ctx ends, then tells everybody and closes what New opened.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return s.http.Close()
}

// HTTPAddr is where pages, API and signaling are served.
func (s *Server) HTTPAddr() net.Addr { return s.http.Addr() }

// Link is one printed line: who it is for and where it leads.
type Link struct{ For, URL string }

// Links are the links of the room demo under --dev; none otherwise.
func (s *Server) Links() []Link { return nil }
