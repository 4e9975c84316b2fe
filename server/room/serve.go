package room

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gasso/net/signaling"
	"gasso/server/limits"
)

const (
	joinWithin      = 10 * time.Second // of connecting
	messagesASecond = 100              // of one connection, in the long run
	messageBurst    = 400              // a mesh that starts sends many candidates at once
	patience        = 200              // refused messages at once until the connection is closed,
	forgiven        = 5                // and how many are forgiven each second
	rejoinAfterMS   = 250
)

// ServeWS answers a signaling connection and returns when it has ended.
func (reg *Registry) ServeWS(w http.ResponseWriter, r *http.Request) {
	address := addressOf(r)
	if !reg.enter(address) {
		reg.refusals.addConnection()
		after := "5"
		if reg.isClosing() { // its successor may be there soon
			after = "1"
		}
		w.Header().Set("Retry-After", after)
		http.Error(w, "The server takes no connection now. Try again in "+after+" seconds.", http.StatusServiceUnavailable)
		return
	}
	defer reg.connections.Done()
	conn, err := signaling.Accept(w, r, signaling.AcceptOptions{CheckOrigin: reg.cfg.CheckOrigin, Log: reg.cfg.Log})
	if err != nil {
		reg.leave(address)
		reg.cfg.Log.Debug("signaling connection refused", "error", err)
		return
	}
	c := &connection{
		reg: reg, conn: conn, log: reg.cfg.Log, arrived: sync.OnceFunc(func() { reg.leave(address) }),
		messages: rate.NewLimiter(messagesASecond, messageBurst), refusals: rate.NewLimiter(forgiven, patience-1),
	}
	defer c.end()
	c.run()
}

// addressOf is who connects, without the port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// enter counts a connection, unless the server is shutting down or has too many that have not joined.
func (reg *Registry) enter(address string) bool {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.closing != nil || reg.waiting >= maxPending || reg.from[address] >= maxPendingAddress {
		return false
	}
	reg.waiting++
	reg.from[address]++
	reg.connections.Add(1)
	return true
}

// leave tells that a connection has joined a room or never will.
func (reg *Registry) leave(address string) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	reg.waiting--
	if reg.from[address]--; reg.from[address] == 0 {
		delete(reg.from, address)
	}
}

func (reg *Registry) isClosing() bool {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	return reg.closing != nil
}

// setPending notes a connection that has not joined, or returns what it is told since the registry closes.
func (reg *Registry) setPending(conn *signaling.Conn) (refused *signaling.Closed) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.closing == nil {
		reg.pending[conn] = struct{}{}
	}
	return reg.closing
}

func (reg *Registry) clearPending(conn *signaling.Conn) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	delete(reg.pending, conn)
}

// connection is one signaling connection and, once it has joined, whose it is. It belongs to the
// goroutine that runs it.
type connection struct {
	reg      *Registry
	conn     *signaling.Conn
	log      *slog.Logger
	arrived  func() // tells that it has joined or never will
	messages *rate.Limiter
	refusals *rate.Limiter

	room        *Room
	participant *participant
}

// run joins a room and then handles message after message.
func (c *connection) run() {
	joined := c.join()
	c.arrived()
	if !joined {
		return
	}
	for {
		m, err := c.receive()
		if err != nil {
			return
		}
		if m == nil {
			continue
		}
		if err := c.room.handle(c, m); err != nil && !c.answer(err, m.Type()) {
			return
		}
	}
}

// end closes the connection whatever happened, a panic included.
func (c *connection) end() {
	var last *signaling.Closed
	if r := recover(); r != nil {
		c.log.Error("participant's goroutine panicked", "panic", r, "stack", string(debug.Stack()))
		last = &signaling.Closed{Reason: signaling.ClosedError, Text: "The server made a mistake. Connect again."}
	}
	c.reg.clearPending(c.conn)
	c.arrived()
	if c.participant != nil {
		c.room.post(func() { c.room.lose(c.participant, c.conn) })
	}
	if err := c.conn.Close(last); err != nil {
		c.log.Debug("signaling connection ended", "error", err)
	}
}

// rejoin asks for a new connection of a participant that the room has lost.
func (c *connection) rejoin() {
	_ = c.conn.Send(&signaling.Rejoin{Reason: signaling.RejoinGone, RetryAfterMS: rejoinAfterMS})
	c.conn.Finish(nil)
}

// receive returns the next message, or nil when there was one that has been refused.
func (c *connection) receive() (signaling.Message, error) {
	m, err := c.conn.Receive()
	var refused *signaling.Error
	about := ""
	switch {
	case errors.As(err, &refused):
		about = refused.About
	case err != nil:
		return nil, err
	default:
		about = m.Type()
	}
	if !c.messages.AllowN(c.reg.cfg.Now(), 1) {
		refused = tooFast("Too many messages at once.", 1)
	}
	if refused == nil {
		return m, nil
	}
	if !c.answer(refused, about) {
		return nil, refused
	}
	return nil, nil
}

// answer tells the other side what was refused, and reports whether the connection goes on.
func (c *connection) answer(err error, about string) bool {
	e := asError(err)
	if e.Code == signaling.CodeInternal {
		c.log.Error("message failed", "type", about, "error", err)
	}
	if !c.refusals.AllowN(c.reg.cfg.Now(), 1) {
		e.Fatal = true
	}
	e.About = about
	c.reg.refusals.add(e.Code)
	_ = c.conn.Send(e)
	if e.Fatal {
		c.conn.Finish(&signaling.Closed{Reason: signaling.ClosedError, Text: e.Message})
	}
	return !e.Fatal
}

// asError is a copy of err as a message; what is not one is not told in detail.
func asError(err error) *signaling.Error {
	var e *signaling.Error
	if errors.As(err, &e) {
		e := *e
		return &e
	}
	return &signaling.Error{Code: signaling.CodeInternal, Message: "The server could not do this.", Next: "Try again; if it stays, tell the operator."}
}

// join waits for join-room and enters the room. Whatever is wrong ends the connection, with an error
// that says so.
func (c *connection) join() bool {
	if refused := c.reg.setPending(c.conn); refused != nil {
		c.conn.Finish(refused)
		return false
	}
	defer c.reg.clearPending(c.conn)
	timeout := time.AfterFunc(joinWithin, func() {
		c.conn.Finish(&signaling.Closed{Reason: signaling.ClosedError, Text: "No join-room came within 10 seconds."})
	})
	defer timeout.Stop()
	m, err := c.conn.Receive()
	if err != nil {
		var refused *signaling.Error
		if errors.As(err, &refused) {
			e := *refused
			e.Fatal = true
			c.answer(&e, e.About)
		}
		return false
	}
	if err := c.enterRoom(m); err != nil {
		e := asError(err)
		if e.Code == signaling.CodeInternal {
			c.log.Error("join failed", "error", err)
		}
		e.Fatal = true
		c.answer(e, m.Type())
		return false
	}
	return true
}

func (c *connection) enterRoom(m signaling.Message) error {
	join, ok := m.(*signaling.JoinRoom)
	if !ok {
		return &signaling.Error{Code: signaling.CodeForbidden, Message: "Nobody has joined on this connection.", Next: "Send join-room first."}
	}
	if join.Protocol < signaling.OldestVersion || join.Protocol > signaling.ProtocolVersion {
		return wrongVersion(join.Protocol)
	}
	r, ok := c.reg.Get(join.RoomID)
	if !ok {
		return unknownRoom()
	}
	grant, err := c.reg.cfg.Authorizer.Authorize(join.RoomID, join.Token)
	entry := &entry{conn: c.conn, join: join, grant: grant, denied: err}
	var p *participant
	if !r.call(func() { p, err = r.admit(entry) }) {
		return unknownRoom()
	}
	if err != nil {
		return err
	}
	c.room, c.participant = r, p
	c.log = c.log.With("room", r.id, "participant", p.id)
	return nil
}

// wrongVersion says which side to update.
func wrongVersion(theirs int) *signaling.Error {
	e := &signaling.Error{
		Code:    signaling.CodeVersion,
		Message: fmt.Sprintf("This server speaks the protocol versions %d to %d, not %d.", signaling.OldestVersion, signaling.ProtocolVersion, theirs),
		Next:    "Update the app: this server is newer.",
	}
	if theirs > signaling.ProtocolVersion {
		e.Next = "Ask the operator to update the server, or install the app of the server's version."
	}
	return e
}

func unknownRoom() *signaling.Error {
	return &signaling.Error{Code: signaling.CodeUnknownRoom, Message: "There is no such room.", Next: "Check the link, or ask the host for a new one."}
}

// inviteError says in words what the authorizer found.
func inviteError(err error) error {
	switch {
	case errors.Is(err, ErrExpiredInvite):
		return &signaling.Error{Code: signaling.CodeExpired, Message: "The invite has expired.", Next: "Ask the host for a new one."}
	case errors.Is(err, ErrBadInvite):
		return &signaling.Error{Code: signaling.CodeInvite, Message: "The invite is not valid for this room.", Next: "Check that the whole link was copied, or ask the host for a new one."}
	}
	return err
}

// fullError says in words what the limits found.
func fullError(err error) error {
	var refusal *limits.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	seconds := max(1, int(refusal.RetryAfter.Round(time.Second).Seconds()))
	return &signaling.Error{
		Code: signaling.CodeFull, Message: refusal.Reason,
		Next: fmt.Sprintf("Try again in %d seconds.", seconds), RetryAfter: seconds,
	}
}
