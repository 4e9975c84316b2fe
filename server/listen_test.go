package server

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAFolderHasOneServerEvenWithoutItsSocket(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	_, stop := start(t, cfg)
	must(t, os.Remove(SocketPath(cfg.Data)))
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "another server runs") {
		t.Errorf("a second server with the folder: %v", err)
	}
	stop()
	start(t, cfg)
}

func TestConnectionsAreBounded(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	cfg.Limits.Connections = 1 << 20
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "limits.connections") || !strings.Contains(err.Error(), "use at most") {
		t.Errorf("more connections than files: %v", err)
	}
	cfg.Limits.Connections = 1
	s, _ := start(t, cfg)
	ask := func(c net.Conn, patience time.Duration) error {
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	open := func() net.Conn {
		c, err := net.Dial("tcp", s.HTTPAddr().String())
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = c.Write([]byte("GET /api/v1/rooms/demo HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		must(t, err)
		return c
	}
	first := open()
	must(t, ask(first, 10*time.Second))
	second := open()
	if err := ask(second, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection too many was answered: %v", err)
	}
	must(t, first.Close())
	must(t, ask(second, 10*time.Second))
}

// The relay on the HTTPS port keeps little waiting for clients that do not read: it has to reach the socket.
func TestTheBufferOfPublicConnectionsCanBeSet(t *testing.T) {
	base, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l, err := new(Config).limitConnections(base)
	must(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", base.Addr().String())
	must(t, err)
	defer client.Close()
	_, err = client.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	must(t, err)
	c, err := l.Accept()
	must(t, err)
	defer c.Close()
	sized, ok := c.(interface{ SetWriteBuffer(int) error })
	if !ok {
		t.Fatalf("%T has no buffer", c)
	}
	must(t, sized.SetWriteBuffer(1<<14))
}
