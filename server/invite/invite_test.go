package invite

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gasso/net/signaling"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Signer {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func issue(t *testing.T, s *Signer, ttl time.Duration) string {
	t.Helper()
	token, _, err := s.Issue("choir", signaling.RolePerformer, now, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyReadsWhatWasIssued(t *testing.T) {
	s := open(t, t.TempDir())
	token, want, err := s.Issue("choir", signaling.RoleHost, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Verify(token, now.Add(59*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || got.Room != "choir" || got.Role != signaling.RoleHost || !got.Expiry.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestVerifyTellsExpiredFromWrong(t *testing.T) {
	s, other := open(t, t.TempDir()), open(t, t.TempDir())
	good := issue(t, s, time.Hour)
	parts := strings.Split(good, ".")
	foreign := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{Room: "choir", Role: signaling.RoleHost,
		RegisteredClaims: jwt.RegisteredClaims{ID: "x", ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))}})
	noAudience, _ := foreign.SignedString(s.key)
	unsigned, _ := jwt.NewWithClaims(jwt.SigningMethodNone, claims{Room: "choir", Role: signaling.RoleHost,
		RegisteredClaims: jwt.RegisteredClaims{ID: "x", Audience: jwt.ClaimStrings{audience},
			ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))}}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	eternal, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{Room: "choir", Role: signaling.RoleHost,
		RegisteredClaims: jwt.RegisteredClaims{ID: "x", Audience: jwt.ClaimStrings{audience}}}).SignedString(s.key)
	raised := parts[0] + "." + base64.RawURLEncoding.EncodeToString(
		bytes.Replace(decode(t, parts[1]), []byte("performer"), []byte("host"), 1)) + "." + parts[2]
	for _, c := range []struct {
		name, token string
		at          time.Time
		want        error
	}{
		{"in time", good, now, nil},
		{"a second late", good, now.Add(time.Hour + time.Second), ErrExpired},
		{"another server's", issue(t, other, time.Hour), now, ErrWrong},
		{"another server's, late", issue(t, other, time.Hour), now.Add(2 * time.Hour), ErrWrong},
		{"role raised", raised, now, ErrWrong},
		{"cut", good[:len(good)-5], now, ErrWrong},
		{"empty", "", now, ErrWrong},
		{"not signed", unsigned, now, ErrWrong},
		{"never expires", eternal, now, ErrWrong},
		{"for something else", noAudience, now, ErrWrong},
	} {
		if _, err := s.Verify(c.token, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIssueRefusesNonsense(t *testing.T) {
	s := open(t, t.TempDir())
	if _, _, err := s.Issue("choir", "king", now, time.Hour); err == nil {
		t.Error("an unknown role was accepted")
	}
	if _, _, err := s.Issue("choir", signaling.RoleHost, now, 0); err == nil {
		t.Error("an invite without a life was accepted")
	}
}

func TestKeyStaysPrivateAndSurvives(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	token := issue(t, first, time.Hour)
	path := filepath.Join(dir, keyFile)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v, want 0600", info.Mode())
	}
	if _, err := open(t, dir).Verify(token, now); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil { // what is tested
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others can read gave %v", err)
	}
	_ = os.Chmod(path, 0o600)
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a damaged key was accepted")
	}
}

func TestDerivedSecretsDiffer(t *testing.T) {
	s := open(t, t.TempDir())
	a, err := s.Derive("resume")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := s.Derive("other")
	again, _ := s.Derive("resume")
	if bytes.Equal(a, b) || !bytes.Equal(a, again) || len(a) != keyBytes {
		t.Error("derived secrets must differ by purpose and stay the same")
	}
}

func FuzzVerify(f *testing.F) {
	s := &Signer{key: make([]byte, keyBytes)}
	token, _, _ := s.Issue("choir", signaling.RolePerformer, now, time.Hour)
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if inv, err := s.Verify(token, now); err == nil && (inv.Room == "" || !validRole(inv.Role)) {
			t.Errorf("accepted %+v", inv)
		}
	})
}
