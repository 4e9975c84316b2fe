package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"gasso/net/signaling"
)

const (
	dialTimeout    = 10 * time.Second // of all attempts together
	attemptTimeout = 5 * time.Second
	attemptEvery   = 800 * time.Millisecond // the network may be back, which an older attempt notices late
	mostAttempts   = 6                      // at once,
	mostKicked     = 8                      // those that a kick began included
	lookupTimeout  = 2 * time.Second
)

// connector finds the way to the server's signaling: by its name, or at the address where it was last
// while the name leads nowhere.
type connector struct {
	url    string
	host   string // a name; empty where there is nothing to look up, or a proxy does
	tls    *tls.Config
	lookup func(ctx context.Context, host string) ([]string, error)
	book   addressBook

	mu    sync.Mutex
	known string // host:port of the last connection that was joined on; empty without
}

func newConnector(server string, tlsConfig *tls.Config, addressFile string) (*connector, error) {
	at, err := signalingURL(server)
	if err != nil {
		return nil, err
	}
	c := &connector{url: at, tls: tlsConfig, lookup: net.DefaultResolver.LookupHost, book: addressBook{path: addressFile}}
	if c.host = nameIn(at); c.host != "" {
		c.known = c.book.find(at)
	}
	return c, nil
}

// nameIn is the host name of a URL that this machine looks up itself; otherwise empty.
func nameIn(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ""
	}
	scheme := map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: u.Host}})
	if proxy != nil || err != nil {
		return ""
	}
	return u.Hostname()
}

// connect makes a connection. Attempts overlap, and each kick begins another one at once.
func (c *connector) connect(ctx context.Context, kick <-chan struct{}) (*dialled, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	known := c.lastKnown()
	won, err := race(ctx, kick, known != "", func(ctx context.Context, second bool) (*dialled, error) {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		address := ""
		if second {
			address = known
		}
		conn, err := signaling.DialAt(ctx, address, c.url, nil, c.tls)
		return &dialled{conn, second}, err
	}, (*dialled).Abort)
	if err != nil {
		return nil, errors.Join(errDial, err)
	}
	return won, nil
}

// dialled is a connection that nobody has joined on.
type dialled struct {
	*signaling.Conn
	byAddress bool // the last known address won against the name
}

// nameIsWrong tells whether the server's name cannot be looked up or leads to other addresses than the
// one at which the server answered.
func (c *connector) nameIsWrong(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	known, _, err := net.SplitHostPort(c.lastKnown())
	if err != nil {
		return false
	}
	addresses, err := c.lookup(ctx, c.host)
	return err != nil || !slices.Contains(addresses, known)
}

// remember keeps where the server is.
func (c *connector) remember(conn *signaling.Conn) error {
	if c.host == "" {
		return nil
	}
	address := conn.RemoteAddr().String()
	c.mu.Lock()
	same := c.known == address
	c.known = address
	c.mu.Unlock()
	if same {
		return nil
	}
	return c.book.note(c.url, address)
}

func (c *connector) lastKnown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// race begins an attempt, another one each time the earlier ones take long or a kick comes, and returns
// the first that succeeds; discard gets those that succeed as well. With seconds every other attempt is
// told to go the second way, and the first failure tries that at once. It returns an error when all that
// were begun have failed, or ctx has ended.
func race[T any](ctx context.Context, kick <-chan struct{}, seconds bool, attempt func(ctx context.Context, second bool) (T, error), discard func(T)) (winner T, err error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, mostKicked)
	ctx, cancel := context.WithCancel(ctx)
	pending, begun := 0, 0
	begin := func(most int) {
		if pending >= most {
			return
		}
		second := seconds && begun%2 == 1
		pending, begun = pending+1, begun+1
		go func() {
			value, err := attempt(ctx, second)
			results <- result{value, err}
		}()
	}
	defer func() {
		cancel()
		for ; pending > 0; pending-- {
			if r := <-results; r.err == nil {
				discard(r.value)
			}
		}
	}()
	every := time.NewTicker(attemptEvery)
	defer every.Stop()
	begin(mostAttempts)
	for {
		select {
		case <-ctx.Done():
			return winner, errors.Join(ctx.Err(), err)
		case <-every.C:
			begin(mostAttempts)
		case <-kick:
			begin(mostKicked)
		case r := <-results:
			if pending--; r.err == nil {
				return r.value, nil
			}
			err = r.err
			if seconds && begun == 1 {
				begin(mostAttempts)
			}
			if pending == 0 {
				return winner, err
			}
		}
	}
}
