package signaling

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const handshakeTimeout = 10 * time.Second

// Dial connects to a server's signaling address (ws, wss, http or https). header and tlsConfig may be
// nil. A server that refuses for lack of room answers with an *Error of code full.
func Dial(ctx context.Context, url string, header http.Header, tlsConfig *tls.Config) (*Conn, error) {
	return DialAt(ctx, "", url, header, tlsConfig)
}

// DialAt is Dial to the address host:port whatever the name in the URL leads to, which certificates are
// still held against. An empty address is looked up.
func DialAt(ctx context.Context, address, url string, header http.Header, tlsConfig *tls.Config) (*Conn, error) {
	if rest, ok := strings.CutPrefix(url, "http"); ok {
		url = "ws" + rest
	}
	dialer := websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: tlsConfig, HandshakeTimeout: handshakeTimeout,
	}
	if address != "" {
		dialer.Proxy = nil // which would have been asked for another address
		dialer.NetDialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	ws, response, err := dialer.DialContext(ctx, url, header)
	if err != nil {
		return nil, dialError(err, response)
	}
	return newConn(ws, nil, defaultTiming()), nil
}

func dialError(err error, response *http.Response) error {
	if !errors.Is(err, websocket.ErrBadHandshake) || response == nil {
		return fmt.Errorf("connect to server: %w", err)
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 512))
	if response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("connect to server: it answered %s %s", response.Status, strings.TrimSpace(string(text)))
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return &Error{Code: CodeFull, Message: "The server takes nobody else now.", Next: "Try again later.", RetryAfter: seconds, Fatal: true}
}

// AcceptOptions says what Accept checks. The zero value accepts requests from pages of the same host
// and from programs, and logs nothing.
type AcceptOptions struct {
	CheckOrigin func(*http.Request) bool
	Log         *slog.Logger
}

// Accept turns an HTTP request into a signaling connection. On an error the request is answered.
func Accept(w http.ResponseWriter, r *http.Request, options AcceptOptions) (*Conn, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: handshakeTimeout, CheckOrigin: options.CheckOrigin, EnableCompression: false,
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, fmt.Errorf("accept signaling connection: %w", err)
	}
	return newConn(ws, options.Log, defaultTiming()), nil
}
