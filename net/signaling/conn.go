package signaling

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	sendQueue    = 256     // messages,
	sendBytes    = 1 << 20 // and their sum
	receiveQueue = 16      // messages; beyond, the socket is not read
	drainBytes   = 1 << 20 // of one oversized message that are read to its end
)

// ErrSlow tells that the other side reads too slowly: the queue of outgoing messages was full.
var ErrSlow = errors.New("the other side reads messages too slowly")

var errAborted = errors.New("the connection was given up")

// timing holds the intervals of a connection, short in tests.
type timing struct {
	ping  time.Duration // between pings
	idle  time.Duration // without any sign of life until the connection counts as lost
	write time.Duration // for one message
	close time.Duration // for the last messages and the other side's good-bye
}

func defaultTiming() timing {
	return timing{ping: 2 * time.Second, idle: 6 * time.Second, write: 5 * time.Second, close: 2 * time.Second}
}

// Conn is one signaling connection. Send, Finish and Close may be called from any goroutine, Receive
// from one.
type Conn struct {
	ws     *websocket.Conn
	log    *slog.Logger
	timing timing

	heard    atomic.Int64  // when something came last, in ns after began
	began    time.Time     // with the monotonic clock
	pings    atomic.Uint64 // what the next ping carries, raised by Probe
	pingNow  chan struct{} // one slot
	answered chan uint64   // one slot, the newest

	outgoing  chan []byte   // drop rule: when it is full, or holds sendBytes, the connection is closed
	queued    atomic.Int64  // bytes in outgoing
	incoming  chan received // closed by runRead
	finishing chan struct{} // closed once the last message is known
	last      []byte        // written before finishing is closed
	finish    sync.Once
	readDone  chan struct{}
	writeDone chan struct{}

	mu  sync.Mutex
	err error // the first reason for the end
}

type received struct {
	message Message
	err     error
}

func newConn(ws *websocket.Conn, log *slog.Logger, t timing) *Conn {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{
		ws: ws, log: log, timing: t, began: time.Now(), pingNow: make(chan struct{}, 1), answered: make(chan uint64, 1),
		outgoing: make(chan []byte, sendQueue), incoming: make(chan received, receiveQueue),
		finishing: make(chan struct{}), readDone: make(chan struct{}), writeDone: make(chan struct{}),
	}
	ws.EnableWriteCompression(false)
	ws.SetPingHandler(func(payload string) error {
		c.alive()
		return ignoreTimeout(ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(c.timing.write)))
	})
	ws.SetPongHandler(func(payload string) error {
		c.alive()
		c.noteAnswer(payload)
		return nil
	})
	c.alive()
	go c.runRead()
	go c.runWrite()
	return c
}

// Send queues a message and never blocks. When the queue is full, the connection is closed and ErrSlow
// returned.
func (c *Conn) Send(m Message) error {
	payload, err := Encode(m)
	if err != nil {
		return err
	}
	select {
	case <-c.finishing:
		return c.reason(net.ErrClosed)
	default:
	}
	if c.queued.Add(int64(len(payload))) <= sendBytes {
		select {
		case c.outgoing <- payload:
			return nil
		default:
		}
	}
	c.fail(ErrSlow)
	_ = c.ws.UnderlyingConn().Close()
	c.Finish(nil)
	return ErrSlow
}

// Receive waits for the next message. A message that cannot be accepted comes back as an *Error to
// answer with; after one that is not Fatal the connection goes on. Any other error ends the
// connection: io.EOF when the other side said good-bye.
func (c *Conn) Receive() (Message, error) {
	r, ok := <-c.incoming
	if !ok {
		return nil, c.reason(io.EOF)
	}
	return r.message, r.err
}

// Finish starts to close the connection and does not wait: what is queued and then last, if not nil,
// are still sent. Only the first call of Finish or Close counts.
func (c *Conn) Finish(last *Closed) {
	c.finish.Do(func() {
		if last != nil {
			if payload, err := Encode(last); err == nil {
				c.last = payload
			}
		}
		close(c.finishing)
	})
}

// Close is Finish and waits until the connection and its goroutines have ended. It returns why the
// connection broke, if it did before.
func (c *Conn) Close(last *Closed) error {
	c.Finish(last)
	<-c.writeDone
	<-c.readDone
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return c.err
}

// Heard is when the other side gave its last sign of life, a ping or its answer included.
func (c *Conn) Heard() time.Time { return c.began.Add(time.Duration(c.heard.Load())) }

// Ping asks for a sign of life now instead of at the next interval. It never blocks.
func (c *Conn) Ping() {
	select {
	case c.pingNow <- struct{}{}:
	default:
	}
}

// Probe pings and waits for the answer to that very ping, so that what was on its way before proves
// nothing. It returns nil when the connection is alive; one goroutine at a time may call it.
func (c *Conn) Probe(ctx context.Context) error {
	number := c.pings.Add(1)
	c.Ping()
	for {
		select {
		case got := <-c.answered:
			if got >= number {
				return nil
			}
		case <-c.readDone:
			return c.reason(net.ErrClosed)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Abort ends a connection whose other side is not there: nothing is said or waited for.
func (c *Conn) Abort() {
	c.fail(errAborted)
	under := c.ws.UnderlyingConn()
	if secured, ok := under.(*tls.Conn); ok {
		under = secured.NetConn() // the alert of TLS would wait for the network
	}
	_ = under.Close()
	c.Finish(nil)
}

// RemoteAddr is where the other side, or a proxy before it, is connected.
func (c *Conn) RemoteAddr() net.Addr { return c.ws.UnderlyingConn().RemoteAddr() }

// runRead reads messages until the connection ends. While the connection closes, it goes on reading
// and forgets what comes, so that the last messages are not lost to a reset.
func (c *Conn) runRead() {
	defer close(c.readDone)
	defer close(c.incoming)
	for {
		m, err := c.read()
		var refused *Error
		broken := err != nil && !errors.As(err, &refused)
		if broken {
			c.fail(readError(err))
			c.Finish(nil)
			return
		}
		select {
		case c.incoming <- received{m, err}:
		case <-c.finishing:
		}
		if refused != nil && refused.Fatal {
			<-c.finishing // the caller answers and closes
		}
	}
}

func (c *Conn) read() (Message, error) {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return nil, err
	}
	payload, err := io.ReadAll(io.LimitReader(r, MaxMessageBytes+1))
	if err != nil {
		return nil, err
	}
	c.alive()
	if len(payload) > MaxMessageBytes {
		n, err := io.Copy(io.Discard, io.LimitReader(r, drainBytes))
		if err != nil {
			return nil, err
		}
		return nil, errTooLarge(n == drainBytes)
	}
	if kind != websocket.TextMessage {
		return nil, &Error{Code: CodeMalformed, Message: "The message is binary.", Next: "Send text messages with JSON."}
	}
	return Decode(payload)
}

// runWrite sends what is queued, pings, and closes the socket at the end.
func (c *Conn) runWrite() {
	defer close(c.writeDone)
	defer func() {
		patience := time.NewTimer(c.timing.close)
		defer patience.Stop()
		select {
		case <-c.readDone:
		case <-patience.C:
		}
		_ = c.ws.Close()
	}()
	ping := time.NewTicker(c.timing.ping)
	defer ping.Stop()
	for {
		var err error
		select {
		case payload := <-c.outgoing:
			c.queued.Add(-int64(len(payload)))
			err = c.write(payload)
		case <-c.pingNow:
			err = c.writePing()
		case <-ping.C:
			err = c.writePing()
		case <-c.finishing:
			c.sayGoodbye()
			return
		}
		if err != nil {
			c.fail(fmt.Errorf("send message: %w", err))
			c.Finish(nil)
			_ = c.ws.UnderlyingConn().Close()
			return
		}
	}
}

// sayGoodbye sends what is still queued, the last message and a close frame.
func (c *Conn) sayGoodbye() {
	deadline := time.Now().Add(c.timing.close)
	for {
		var payload []byte
		select {
		case payload = <-c.outgoing:
		default:
			payload, c.last = c.last, nil
		}
		if payload == nil {
			break
		}
		_ = c.ws.SetWriteDeadline(deadline)
		if err := c.ws.WriteMessage(websocket.TextMessage, payload); err != nil {
			c.log.Debug("last messages not sent", "error", err)
			_ = c.ws.UnderlyingConn().Close()
			return
		}
	}
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = c.ws.WriteControl(websocket.CloseMessage, frame, deadline)
}

func (c *Conn) write(payload []byte) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.timing.write))
	return c.ws.WriteMessage(websocket.TextMessage, payload)
}

func (c *Conn) writePing() error {
	payload := strconv.FormatUint(c.pings.Load(), 10)
	return c.ws.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(c.timing.write))
}

// alive moves the moment at which the connection counts as lost. Only runRead calls it once that runs.
func (c *Conn) alive() {
	now := time.Now()
	c.heard.Store(int64(now.Sub(c.began)))
	_ = c.ws.SetReadDeadline(now.Add(c.timing.idle))
}

// noteAnswer keeps the number of the newest ping that was answered; only runRead calls it.
func (c *Conn) noteAnswer(payload string) {
	number, err := strconv.ParseUint(payload, 10, 64)
	if err != nil {
		return
	}
	select {
	case <-c.answered:
	default:
	}
	c.answered <- number // nobody else fills the slot
}

func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// reason is why the connection ended, or otherwise when it was closed from this side.
func (c *Conn) reason(otherwise error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return otherwise
}

func readError(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && (closed.Code == websocket.CloseNormalClosure || closed.Code == websocket.CloseGoingAway) {
		return io.EOF
	}
	return fmt.Errorf("receive message: %w", err)
}

func ignoreTimeout(err error) error {
	var timeout net.Error
	if errors.Is(err, websocket.ErrCloseSent) || errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}
