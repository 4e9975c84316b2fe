package turnserver

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the scheme's only hash
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const maxUserBytes = 128 // of a username; RFC 8489, section 14.3 allows 508

// Credentials are a username and password that a TURN server with the same secret takes until expiry
// (draft-uberti-behave-turn-rest-00, section 2.2): the name is "expiry:participant" with the expiry in
// seconds since the Unix epoch, the password its HMAC-SHA1 in base64. coturn takes them with
// use-auth-secret.
func Credentials(secret []byte, participant string, expiry time.Time) (username, password string) {
	username = strconv.FormatInt(expiry.Unix(), 10) + ":" + participant
	return username, passwordOf(secret, username)
}

func passwordOf(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseUsername reads what Credentials wrote; false for anything else.
func parseUsername(username string) (participant string, expiry time.Time, ok bool) {
	if len(username) > maxUserBytes {
		return "", time.Time{}, false
	}
	seconds, participant, found := strings.Cut(username, ":")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if !found || participant == "" || err != nil || n <= 0 || strconv.FormatInt(n, 10) != seconds {
		return "", time.Time{}, false
	}
	return participant, time.Unix(n, 0), true
}
