package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"gasso/net/signaling"
	"gasso/server/room"
)

// Control gives orders to the server that runs with a data folder, through the socket there.
type Control struct {
	folder string
	http   http.Client
}

// NewControl makes a control for a data folder; it connects with each call.
func NewControl(folder string) *Control {
	c := &Control{folder: folder}
	c.http = http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", SocketPath(folder))
			},
		},
	}
	return c
}

// Rooms tells how all rooms are.
func (c *Control) Rooms(ctx context.Context) (list []room.Status, err error) {
	return list, c.do(ctx, http.MethodGet, "/rooms", nil, &list)
}

// Room tells how a room is.
func (c *Control) Room(ctx context.Context, id string) (st room.Status, err error) {
	return st, c.do(ctx, http.MethodGet, "/rooms/"+url.PathEscape(id), nil, &st)
}

// Create opens a room and keeps it over restarts.
func (c *Control) Create(ctx context.Context, spec RoomSpec) error {
	return c.do(ctx, http.MethodPost, "/rooms", spec, nil)
}

// CloseRoom ends a room for good.
func (c *Control) CloseRoom(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/rooms/"+url.PathEscape(id), nil, nil)
}

// OnAir starts or stops a room's broadcast.
func (c *Control) OnAir(ctx context.Context, id string, live bool) error {
	return c.do(ctx, http.MethodPost, "/rooms/"+url.PathEscape(id)+"/on-air", signaling.OnAir{Live: live}, nil)
}

// Kick takes a participant, by id, out of a room.
func (c *Control) Kick(ctx context.Context, id, participantID string) error {
	return c.do(ctx, http.MethodDelete, "/rooms/"+url.PathEscape(id)+"/participants/"+url.PathEscape(participantID), nil, nil)
}

// Invite makes an invite.
func (c *Control) Invite(ctx context.Context, spec InviteSpec) (inv Invitation, err error) {
	return inv, c.do(ctx, http.MethodPost, "/invites", spec, &inv)
}

// Revoke makes an invite void.
func (c *Control) Revoke(ctx context.Context, inviteID string) error {
	return c.do(ctx, http.MethodPost, "/revocations", revocation{inviteID}, nil)
}

func (c *Control) do(ctx context.Context, method, path string, body, value any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gasso"+path, &content)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return refusedBy(resp)
	}
	if value == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(value); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// explain says why no server answers.
func (c *Control) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("no server runs with the data folder %s: start one with gasso-server serve --data %s, or give the --data of the one that runs", c.folder, c.folder)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the server with the data folder %s belongs to another account: run this as that account, or with sudo", c.folder)
	}
	return fmt.Errorf("speak to the server of %s: %w", c.folder, err)
}

// refusedBy is the refusal that a response carries.
func refusedBy(resp *http.Response) error {
	var p problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Error == "" {
		return fmt.Errorf("the server refused with status %d", resp.StatusCode)
	}
	if p.Next == "" {
		return errors.New(p.Error)
	}
	return errors.New(p.Error + " " + p.Next)
}
