package session

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Invite is what an invite link says.
type Invite struct {
	Server string // base URL, such as https://gasso.example
	Room   string
	Token  string // empty for an open room
}

// ParseInvite reads a link of the form https://HOST/join/ROOM#TOKEN. The token stands in the
// fragment so that it never reaches a server's log.
func ParseInvite(link string) (Invite, error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return Invite{}, fmt.Errorf("read invite link: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Invite{}, errors.New("an invite link starts with https:// and the server's name; copy the whole link that you were sent")
	}
	prefix, room, found := strings.Cut(u.Path, "/join/")
	if !found || room == "" || strings.Contains(room, "/") {
		return Invite{}, errors.New("this is not an invite link: it should look like https://HOST/join/ROOM#TOKEN")
	}
	return Invite{Server: u.Scheme + "://" + u.Host + prefix, Room: room, Token: u.Fragment}, nil
}

// signalingURL is the WebSocket address of a server's base URL.
func signalingURL(server string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(server))
	if err != nil {
		return "", fmt.Errorf("server address %q cannot be read; it looks like https://gasso.example", server)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("server address %q must start with https:// or, on this machine, http://", server)
	}
	if u.Host == "" {
		return "", fmt.Errorf("server address %q names no host", server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/ws"
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}
