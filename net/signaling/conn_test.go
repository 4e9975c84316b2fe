package signaling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server whose end of each connection is given to serve.
func serve(t *testing.T, serve func(*Conn)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, AcceptOptions{})
		if err != nil {
			return
		}
		serve(c)
		_ = c.Close(nil)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func dial(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), url, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(nil) })
	return c
}

// dialRaw connects without Conn, to send what Conn would not.
func dialRaw(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

func echo(c *Conn) {
	for {
		m, err := c.Receive()
		var refused *Error
		switch {
		case errors.As(err, &refused):
			m = refused
		case err != nil:
			return
		}
		if c.Send(m) != nil {
			return
		}
	}
}

func TestMessagesArriveInOrder(t *testing.T) {
	c := dial(t, serve(t, echo))
	const count = 100
	for i := range count {
		if err := c.Send(&ClockPing{ID: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range count {
		m, err := c.Receive()
		if ping, ok := m.(*ClockPing); err != nil || !ok || ping.ID != int64(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
}

func TestBadMessagesAreAnsweredAndTheConnectionGoesOn(t *testing.T) {
	ws := dialRaw(t, serve(t, echo))
	bad := []struct {
		kind          int
		payload, code string
	}{
		{websocket.TextMessage, "no JSON", CodeMalformed},
		{websocket.TextMessage, `{"type":"dance"}`, CodeUnknownType},
		{websocket.BinaryMessage, `{"type":"leave"}`, CodeMalformed},
		{websocket.TextMessage, `{"type":"chat","text":"` + strings.Repeat("a", 10*MaxMessageBytes) + `"}`, CodeTooLarge},
	}
	for _, b := range bad {
		if err := ws.WriteMessage(b.kind, []byte(b.payload)); err != nil {
			t.Fatal(err)
		}
		_, answer, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(answer)
		if refused, ok := m.(*Error); err != nil || !ok || refused.Code != b.code || refused.Fatal {
			t.Errorf("%s answered with %s (%v)", b.code, answer, err)
		}
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"clock-ping","id":3}`)); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := ws.ReadMessage(); err != nil || string(answer) != `{"type":"clock-ping","id":3}` {
		t.Errorf("a good message came back as %s, %v", answer, err)
	}
}

func TestAnEndlessMessageIsFatalAndItsErrorArrives(t *testing.T) {
	url := serve(t, func(c *Conn) {
		_, err := c.Receive()
		var refused *Error
		if !errors.As(err, &refused) || !refused.Fatal {
			t.Errorf("got %v, want a fatal refusal", err)
			return
		}
		_ = c.Send(refused)
		_ = c.Close(&Closed{Reason: ClosedError})
	})
	ws := dialRaw(t, url)
	written := make(chan struct{})
	go func() {
		defer close(written)
		w, err := ws.NextWriter(websocket.TextMessage)
		for err == nil {
			_, err = io.WriteString(w, strings.Repeat("a", 1<<16))
		}
	}()
	for _, want := range []string{"error", "closed"} {
		_, answer, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := Decode(answer); err != nil || m.Type() != want {
			t.Errorf("got %s, want %s", answer, want)
		}
	}
	_ = ws.Close()
	<-written
}

func TestCloseSendsWhatIsQueuedThenTheLastWord(t *testing.T) {
	url := serve(t, func(c *Conn) {
		for i := range 50 {
			_ = c.Send(&ClockPing{ID: int64(i)})
		}
		if err := c.Close(&Closed{Reason: ClosedShutdown}); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := c.Send(&Leave{}); err == nil {
			t.Error("a closed connection took a message")
		}
	})
	c := dial(t, url)
	for i := range 50 {
		if m, err := c.Receive(); err != nil || m.(*ClockPing).ID != int64(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
	if m, err := c.Receive(); err != nil || m.Type() != "closed" {
		t.Fatalf("got %v, %v, want closed", m, err)
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v after the good-bye, want EOF", err)
	}
}

func TestASlowReaderIsCutOff(t *testing.T) {
	result := make(chan error, 1)
	url := serve(t, func(c *Conn) {
		text := strings.Repeat("a", 60_000)
		for {
			if err := c.Send(&Chat{Text: text}); err != nil {
				result <- err
				return
			}
		}
	})
	dialRaw(t, url) // never reads
	if err := <-result; !errors.Is(err, ErrSlow) {
		t.Errorf("got %v, want ErrSlow", err)
	}
}

func TestASilentPeerCountsAsLostAndALiveOneDoesNot(t *testing.T) {
	quick := timing{ping: 10 * time.Millisecond, idle: 150 * time.Millisecond, write: time.Second, close: 50 * time.Millisecond}
	lost := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := newConn(ws, nil, quick)
		_, err = c.Receive()
		lost <- err
		_ = c.Close(nil)
	}))
	defer server.Close()

	live := dialRaw(t, server.URL)
	pings := 0
	live.SetPingHandler(func(payload string) error {
		if pings++; pings == 40 { // 400 ms, well beyond the time that a silent one has
			return errors.New("enough")
		}
		return live.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Second))
	})
	_, _, err := live.ReadMessage()
	select {
	case early := <-lost:
		t.Fatalf("a peer that answers pings was lost: %v", early)
	default:
	}
	if err == nil || pings != 40 {
		t.Fatalf("%d pings, %v", pings, err)
	}
	if err := <-lost; err == nil || errors.Is(err, io.EOF) { // it doesn't answer any more
		t.Errorf("got %v for a silent peer, want a failure", err)
	}
}

func TestDialSaysWhyItFailed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/full" {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.Error(w, "nothing here", http.StatusNotFound)
	}))
	defer server.Close()
	_, err := Dial(context.Background(), server.URL+"/full", nil, nil)
	var full *Error
	if !errors.As(err, &full) || full.Code != CodeFull || full.RetryAfter != 7 {
		t.Errorf("got %v, want full with 7 seconds", err)
	}
	if _, err = Dial(context.Background(), server.URL, nil, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want the status", err)
	}
	server.Close()
	if _, err = Dial(context.Background(), server.URL, nil, nil); err == nil {
		t.Error("connected to a server that is gone")
	}
}

func TestAcceptChecksTheOrigin(t *testing.T) {
	url := serve(t, echo)
	header := http.Header{"Origin": {"https://elsewhere.example"}}
	if _, err := Dial(context.Background(), url, header, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprint(http.StatusForbidden)) {
		t.Errorf("got %v, want 403", err)
	}
}

// A queue of few long messages is as full as one of many short ones.
func TestWhatIsQueuedIsBoundedInBytes(t *testing.T) {
	c := &Conn{log: slog.New(slog.DiscardHandler), outgoing: make(chan []byte, sendQueue), finishing: make(chan struct{})}
	m := &Chat{Text: strings.Repeat("a", 60_000)}
	for range sendBytes / 61_000 {
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.queued.Load(); n > sendBytes || n < sendBytes/2 {
		t.Errorf("%d bytes are queued", n)
	}
}

func TestAMessageThatIsTooLongIsRefused(t *testing.T) {
	c := &Conn{outgoing: make(chan []byte, sendQueue), finishing: make(chan struct{})}
	err := c.Send(&Chat{Text: strings.Repeat("a", MaxMessageBytes)})
	if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "chat") || strings.Contains(err.Error(), "aaa") {
		t.Errorf("got %.200v", err)
	}
	if len(c.outgoing) != 0 {
		t.Error("it was sent")
	}
}
