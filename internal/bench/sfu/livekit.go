//go:build unix

package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/shirou/gopsutil/v4/process"

	"gasso/net/signaling"
)

const (
	livekitKey  = "bench"
	livekitRoom = "bench"
	livekitPing = 5 * time.Second // it asks for that much
	livekitPoll = 20 * time.Millisecond
	trackID     = "audio"
)

// livekitServer is a process of somebody else's server, spoken to by its own signaling: publishers
// offer, and subscribers are offered what was published.
type livekitServer struct {
	process *process.Process
	command *exec.Cmd
	ended   chan struct{}
	address string // of its signaling
	secret  []byte

	mu    sync.Mutex // guards links
	links map[string]*livekitLink
}

// startLiveKit runs a livekit-server binary on loopback with one UDP port for all media.
func startLiveKit(binary string) (*livekitServer, error) {
	signals, media, err := freePorts()
	if err != nil {
		return nil, err
	}
	s := &livekitServer{
		ended: make(chan struct{}), links: map[string]*livekitLink{},
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(signals)), secret: []byte(rand.Text() + rand.Text()),
	}
	config, err := json.Marshal(map[string]any{ // which is YAML too
		"port":           signals,
		"bind_addresses": []string{"127.0.0.1"},
		"keys":           map[string]string{livekitKey: string(s.secret)},
		"logging":        map[string]string{"level": "error"},
		"rtc": map[string]any{
			"tcp_port": 0, "enable_loopback_candidate": true,
			"ips": map[string][]string{"includes": {"127.0.0.1/32"}},
		},
	})
	if err != nil {
		return nil, err
	}
	s.command = exec.Command(binary, "--config-body", string(config), "--node-ip", "127.0.0.1", "--udp-port", strconv.Itoa(media))
	s.command.Stdout, s.command.Stderr = os.Stderr, os.Stderr // standard output is the table's
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start livekit-server: %w", err)
	}
	go s.runWait()
	if s.process, err = process.NewProcess(int32(s.command.Process.Pid)); err == nil {
		err = s.awaitReady()
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("start livekit-server: %w", err)
	}
	return s, nil
}

// freePorts finds a TCP and a UDP port that nobody has now.
func freePorts() (tcp, udp int, err error) {
	loopback := net.IPv4(127, 0, 0, 1)
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback})
	if err != nil {
		return 0, 0, fmt.Errorf("find port: %w", err)
	}
	defer listener.Close()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		return 0, 0, fmt.Errorf("find port: %w", err)
	}
	defer conn.Close()
	return listener.Addr().(*net.TCPAddr).Port, conn.LocalAddr().(*net.UDPAddr).Port, nil
}

func (s *livekitServer) runWait() {
	_ = s.command.Wait() // it is always killed
	close(s.ended)
}

// awaitReady waits until the signaling listens.
func (s *livekitServer) awaitReady() error {
	poll := time.NewTicker(livekitPoll)
	defer poll.Stop()
	late := time.After(connectLimit)
	for {
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return errors.New("it has ended at once")
		case <-late:
			return err
		case <-poll.C:
		}
	}
}

// join implements signalWay.
func (s *livekitServer) join(c *client, publishes bool) error {
	token, err := s.token(c.id, publishes)
	if err != nil {
		return err
	}
	query := url.Values{"access_token": {token}, "protocol": {"9"}, "auto_subscribe": {"1"}}
	if publishes {
		query.Set("auto_subscribe", "0")
	}
	target := url.URL{Scheme: "ws", Host: s.address, Path: "/rtc", RawQuery: query.Encode()}
	dialer := websocket.Dialer{HandshakeTimeout: connectLimit}
	ws, answer, err := dialer.Dial(target.String(), nil)
	if err != nil && answer != nil {
		err = fmt.Errorf("%w: %s", err, answer.Status)
	}
	if err != nil {
		return fmt.Errorf("join %s: %w", c.id, err)
	}
	l := &livekitLink{client: c, publishes: publishes, ws: ws, done: make(chan struct{})}
	s.mu.Lock()
	s.links[c.id] = l
	s.mu.Unlock()
	l.running.Go(l.runReader)
	l.running.Go(l.runPings)
	return nil
}

// token admits a participant to the room: an access token, which is a JWT signed with the secret.
func (s *livekitServer) token(id string, publishes bool) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": livekitKey, "sub": id, "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"video": map[string]any{"room": livekitRoom, "roomJoin": true, "canPublish": publishes, "canSubscribe": !publishes},
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.secret)
	if err != nil {
		return "", fmt.Errorf("make access token: %w", err)
	}
	return token, nil
}

// signal implements signalWay; clients only answer with it.
func (s *livekitServer) signal(id string, m *signaling.Signal) error {
	s.mu.Lock()
	l := s.links[id]
	s.mu.Unlock()
	return l.write(request(requestAnswer, sessionDescription(m)))
}

// close ends the process, which would wait for its participants otherwise, and waits.
func (s *livekitServer) close() {
	s.mu.Lock()
	links := slices.Collect(maps.Values(s.links))
	s.mu.Unlock()
	for _, l := range links {
		close(l.done)
		_ = l.ws.Close()
		l.running.Wait()
	}
	_ = s.command.Process.Kill()
	<-s.ended
}

// livekitLink is the signaling of one participant.
type livekitLink struct {
	client    *client
	publishes bool
	done      chan struct{}
	running   sync.WaitGroup

	mu sync.Mutex // guards writing
	ws *websocket.Conn
}

func (l *livekitLink) write(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ws.WriteMessage(websocket.BinaryMessage, b)
}

func (l *livekitLink) runReader() {
	for {
		_, b, err := l.ws.ReadMessage()
		if err == nil {
			err = l.handle(b)
		}
		if err != nil {
			l.client.fail(err)
			return
		}
	}
}

// handle acts on a message of the server: once in the room a publisher announces its track, and
// offers it when that was granted.
func (l *livekitLink) handle(b []byte) error {
	field, message, err := response(b)
	if err != nil {
		return err
	}
	var s *signaling.Signal
	switch field {
	case responseJoin:
		if l.publishes {
			return l.write(request(requestAddTrack, addTrack(trackID)))
		}
	case responsePublished:
		offer, err := l.client.offer()
		if err != nil {
			return err
		}
		return l.write(request(requestOffer, sessionDescription(&signaling.Signal{Description: offer})))
	case responseAnswer, responseOffer:
		if s, err = parseDescription(message); err != nil {
			return err
		}
	case responseTrickle:
		var toSubscriber bool
		if s, toSubscriber, err = parseTrickle(message); err != nil || toSubscriber == l.publishes {
			return err // the other connection stays unused
		}
	case responseLeave:
		return errors.New("the server ended the session")
	}
	if s != nil {
		l.client.take(s)
	}
	return nil
}

func (l *livekitLink) runPings() {
	tick := time.NewTicker(livekitPing)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case now := <-tick.C:
			_ = l.write(request(requestPing, ping(now.UnixMilli()))) // the reader finds out
		}
	}
}
