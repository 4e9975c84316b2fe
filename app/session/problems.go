package session

import (
	"errors"
	"strings"
	"time"

	"gasso/net/signaling"
)

const (
	refusalShown = 8 * time.Second
)

// problems are what is wrong now. Each belongs to one part, which takes it back.
type problems struct {
	connection string // until the next join
	microphone string // until it publishes again
	refusal    string // of a message to the server, after refusedAt for refusalShown
	refusedAt  time.Time
}

// words are all of them for the performer; more are those of the devices.
func (p *problems) words(now time.Time, more ...string) string {
	said := append([]string{p.connection, p.microphone}, more...)
	if now.Sub(p.refusedAt) < refusalShown {
		said = append(said, p.refusal)
	}
	var words []string
	for _, text := range said {
		if text != "" && (len(words) == 0 || words[len(words)-1] != text) {
			words = append(words, text)
		}
	}
	return strings.Join(words, " ")
}

func (s *Session) setMicrophoneProblem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems.microphone = text
}

// worthRetrying tells whether waiting can help against a refusal.
func worthRetrying(e *signaling.Error) bool {
	switch e.Code {
	case signaling.CodeFull, signaling.CodeResume, signaling.CodeRate, signaling.CodeInternal:
		return true
	}
	return false
}

// problemOf puts an error into words for the performer.
func problemOf(err error) string {
	var refusal *signaling.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.Is(err, errDial):
		return "The server cannot be reached."
	default:
		return "The connection to the server was lost."
	}
}
