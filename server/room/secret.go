package room

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// newParticipantID draws an id that cannot be mistaken for signaling.ServerID or MixID.
func newParticipantID() string { return "p" + hex.EncodeToString(randomBytes(8)) }

// ValidID reports whether id can name a room: 1 to 64 ASCII letters, digits, hyphens and underscores.
func ValidID(id string) bool { return roomIDPattern.MatchString(id) }

func validParticipantID(id string) bool { return participantIDPattern.MatchString(id) }

var (
	participantIDPattern = regexp.MustCompile(`^p[0-9a-f]{16}$`)
	roomIDPattern        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// resumeSecret is a participant's secret. It follows from the server's key, so that nothing has to be
// stored for it to survive a restart.
func resumeSecret(key []byte, roomID, participantID string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("gasso resume\x00" + roomID + "\x00" + participantID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// resumeSecretValid compares in constant time.
func resumeSecretValid(key []byte, roomID, participantID, secret string) bool {
	return hmac.Equal([]byte(resumeSecret(key, roomID, participantID)), []byte(secret))
}
