package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// Bounds of connections to TURN servers over TCP.
const (
	relayDialPatience  = 5 * time.Second
	relayWritePatience = 2 * time.Second // what waits longer is of no use any more
	relayWriteBuffer   = 64 << 10        // bytes: what waits there is late
)

// relayDialer opens TCP and TLS connections to TURN servers, through a proxy where one is configured.
type relayDialer struct {
	tls   *tls.Config // nil: the system's authorities
	proxy func(*http.Request) (*url.URL, error)
}

// dial connects within relayDialPatience, unless ctx ends before. network is tcp4 or tcp6.
func (d *relayDialer) dial(ctx context.Context, network, server string, secure bool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, relayDialPatience)
	defer cancel()
	conn, err := d.dialPlain(ctx, network, server)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(relayWriteBuffer)
	}
	if secure {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		secured := tls.Client(conn, d.tlsFor(host))
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS with %s: %w", server, err), conn.Close())
		}
		conn = secured
	}
	return &relayStream{Conn: conn}, nil
}

func (d *relayDialer) dialPlain(ctx context.Context, network, server string) (net.Conn, error) {
	through, err := d.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: server}})
	if err != nil {
		return nil, fmt.Errorf("proxy for %s: %w", server, err)
	}
	if through == nil {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}
	switch through.Scheme {
	case "http", "https":
		return d.dialThrough(ctx, network, through, server)
	}
	dialer, err := proxy.FromURL(through, &net.Dialer{})
	if err != nil {
		return nil, fmt.Errorf("proxy for %s: %w", server, err)
	}
	return dialer.(proxy.ContextDialer).DialContext(ctx, network, server)
}

// dialThrough asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
func (d *relayDialer) dialThrough(ctx context.Context, network string, through *url.URL, server string) (net.Conn, error) {
	at := through.Host
	if through.Port() == "" {
		at = net.JoinHostPort(through.Hostname(), map[string]string{"http": "80", "https": "443"}[through.Scheme])
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, at)
	if err != nil {
		return nil, fmt.Errorf("connect to proxy: %w", err)
	}
	if through.Scheme == "https" {
		conn = tls.Client(conn, d.tlsFor(through.Hostname()))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = askForTunnel(conn, through, server)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func askForTunnel(conn net.Conn, through *url.URL, server string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: server}, Host: server, Header: http.Header{}}
	if u := through.User; u != nil {
		password, _ := u.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return fmt.Errorf("ask proxy: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 4<<10), r) // the TURN server says nothing of its own accord
	if err != nil {
		return fmt.Errorf("ask proxy: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("proxy refused the way to %s: %s", server, answer.Status)
	}
	return nil
}

// relayStream is a connection to a TURN server that ends when it takes too long to write to: the ICE
// agent writes to it, too, and must not stand still.
type relayStream struct{ net.Conn }

// Write ends the connection on failure: half a message would garble what follows.
func (s *relayStream) Write(p []byte) (int, error) {
	_ = s.SetWriteDeadline(time.Now().Add(relayWritePatience))
	n, err := s.Conn.Write(p)
	if err != nil {
		_ = s.Close()
	}
	return n, err
}

// Close ends the connection at once: the farewell of TLS would wait for a network that stands, and the ICE
// agent with it.
func (s *relayStream) Close() error {
	if secured, ok := s.Conn.(*tls.Conn); ok {
		return secured.NetConn().Close()
	}
	return s.Conn.Close()
}
