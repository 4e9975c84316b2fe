package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gasso/net/signaling"
	"gasso/server/invite"
	"gasso/server/room"
	"gasso/server/state"
)

// gate decides what a token allows, and which rooms need none.
type gate struct {
	invites *invite.Signer
	store   *state.Store
	open    func(roomID string) bool // performers need no invite
	now     func() time.Time
}

// Authorize implements room.Authorizer.
func (g *gate) Authorize(roomID, token string) (room.Grant, error) {
	if token == "" {
		if g.open(roomID) {
			return room.Grant{Role: signaling.RolePerformer}, nil
		}
		return room.Grant{}, room.ErrBadInvite
	}
	inv, err := g.invites.Verify(token, g.now())
	switch {
	case errors.Is(err, invite.ErrExpired):
		return room.Grant{}, room.ErrExpiredInvite
	case err != nil || inv.Room != roomID:
		return room.Grant{}, room.ErrBadInvite
	}
	revoked, err := g.store.Revoked(inv.ID)
	if err != nil {
		return room.Grant{}, fmt.Errorf("check invite: %w", err)
	}
	if revoked {
		return room.Grant{}, room.ErrBadInvite
	}
	return room.Grant{Role: inv.Role, InviteID: inv.ID, Expiry: inv.Expiry}, nil
}

// role is what a request may do in a room: that of its bearer token, or a listener's.
func (g *gate) role(r *http.Request, roomID string) (signaling.Role, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return signaling.RoleListener, nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", room.ErrBadInvite
	}
	grant, err := g.Authorize(roomID, strings.TrimSpace(token))
	return grant.Role, err
}
