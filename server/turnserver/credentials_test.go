package turnserver

import (
	"strings"
	"testing"
	"time"
)

func TestCredentialsAreThoseOfTURNREST(t *testing.T) {
	// By hand: printf 1700000000:p1 | openssl dgst -sha1 -hmac secret -binary | base64
	username, password := Credentials([]byte("secret"), "p1", time.Unix(1700000000, 0))
	if username != "1700000000:p1" || password != "0eBzZq6Gbz8vtWCnJTCAn+awJQI=" {
		t.Errorf("%q %q", username, password)
	}
}

func TestUsernamesAreParsed(t *testing.T) {
	if id, expiry, ok := parseUsername("1700000000:a:b"); !ok || id != "a:b" || expiry.Unix() != 1700000000 {
		t.Error(id, expiry, ok)
	}
	for _, bad := range []string{"", ":", "1700000000", "1700000000:", ":p1", "-1:p1", "+1:p1", "01:p1", "0:p1", "1e9:p1", "99999999999999999999:p1", "1:" + strings.Repeat("x", maxUserBytes)} {
		if _, _, ok := parseUsername(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzUsername(f *testing.F) {
	f.Add("1700000000:p1")
	f.Add("::")
	f.Fuzz(func(t *testing.T, username string) {
		id, expiry, ok := parseUsername(username)
		if !ok {
			return
		}
		if again, _ := Credentials(testSecret, id, expiry); again != username {
			t.Errorf("%q became %q", username, again)
		}
	})
}
