// Package invite makes and checks invites: signed tokens that say which room somebody may enter,
// in which role and until when.
package invite

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gasso/net/signaling"
)

// Errors of Verify that callers tell apart.
var (
	ErrExpired = errors.New("the invite has expired: ask the host for a new one")
	ErrWrong   = errors.New("the invite is not valid here: copy the whole link, or ask the host for a new one")
)

const (
	keyFile  = "invite.key"
	keyBytes = 32
	audience = "gasso"
)

// Invite is what a token says.
type Invite struct {
	ID     string // random; names the invite in logs and revocations
	Room   string
	Role   signaling.Role
	Expiry time.Time
}

// Signer makes and checks tokens with one secret key. It may be used from any goroutine.
type Signer struct{ key []byte }

type claims struct {
	Room string         `json:"room"`
	Role signaling.Role `json:"role"`
	jwt.RegisteredClaims
}

// Open reads the key in dir, or makes one that only the server's account can read.
func Open(dir string) (*Signer, error) {
	path := filepath.Join(dir, keyFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read invite key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("invite key %s can be read by others: run chmod 600 on it, or delete it to make all old invites void", path)
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read invite key: %w", err)
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("invite key %s is damaged: restore it, or delete it to make all old invites void", path)
	}
	return &Signer{key: key}, nil
}

// create writes a new key under a name that is complete at once.
func create(path string) (*Signer, error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key)                                     // never fails since Go 1.24
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write invite key: %w", err)
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, fmt.Errorf("write invite key: %w", err)
	}
	return &Signer{key: key}, nil
}

// Issue makes a token for a room and a role, valid from now for ttl.
func (s *Signer) Issue(room string, role signaling.Role, now time.Time, ttl time.Duration) (token string, inv Invite, err error) {
	if !validRole(role) {
		return "", Invite{}, fmt.Errorf("%q is no role: use host, performer or listener", role)
	}
	if ttl <= 0 {
		return "", Invite{}, errors.New("an invite must expire later than now: use a time such as 24h")
	}
	id := make([]byte, 9)
	_, _ = rand.Read(id)
	inv = Invite{
		ID: base64.RawURLEncoding.EncodeToString(id), Room: room, Role: role,
		Expiry: now.Add(ttl).Truncate(time.Second),
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Room: room, Role: role,
		RegisteredClaims: jwt.RegisteredClaims{
			ID: inv.ID, ExpiresAt: jwt.NewNumericDate(inv.Expiry), Audience: jwt.ClaimStrings{audience},
		},
	}).SignedString(s.key)
	if err != nil {
		return "", Invite{}, fmt.Errorf("sign invite: %w", err)
	}
	return token, inv, nil
}

// Verify reads a token. It returns ErrExpired for a true one that came too late and ErrWrong for
// anything else; neither says anything of the token's content.
func (s *Signer) Verify(token string, now time.Time) (Invite, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Name}), jwt.WithExpirationRequired(),
		jwt.WithAudience(audience), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithStrictDecoding())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Invite{}, ErrExpired
	case err != nil, c.Room == "", c.ID == "", !validRole(c.Role):
		return Invite{}, ErrWrong
	}
	return Invite{ID: c.ID, Room: c.Room, Role: c.Role, Expiry: c.ExpiresAt.Time}, nil
}

// Derive makes a secret of 32 bytes for another purpose; the same one each time.
func (s *Signer) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.key, nil, "gasso "+purpose, keyBytes)
}

func validRole(r signaling.Role) bool {
	return r == signaling.RoleHost || r == signaling.RolePerformer || r == signaling.RoleListener
}
