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

// What is said of the connection to the server; the window translates each sentence.
const (
	serverAway       = "The server cannot be reached."
	serverLost       = "The connection to the server was lost."
	serverRestarting = "The server is being restarted."
)

// problems are what is wrong now. Each belongs to one part, which takes it back.
type problems struct {
	connection string // until the next join
	network    string // while the server's name leads nowhere
	microphone string // until it publishes again
	refusal    string // of a message to the server, after refusedAt for refusalShown
	refusedAt  time.Time
}

// words are all of them for the performer; more are those of the devices.
func (p *problems) words(now time.Time, more ...string) string {
	said := append([]string{p.connection, p.network, p.microphone}, more...)
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

// longestPause is the most that a server may have us wait.
const longestPause = 30 * time.Second

// pause is the end of a connection that is to be made again, and when.
type pause struct {
	text  string
	said  string // for the performer; empty says that the connection was lost
	after time.Duration
}

func (p *pause) Error() string { return p.text }

// retryAfter is how long the server wants us to wait.
func retryAfter(err error) time.Duration {
	var refusal *signaling.Error
	var paused *pause
	switch {
	case errors.As(err, &refusal):
		return time.Duration(refusal.RetryAfter) * time.Second
	case errors.As(err, &paused):
		return max(0, min(paused.after, longestPause))
	}
	return 0
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
	var paused *pause
	switch {
	case err == nil:
		return ""
	case errors.As(err, &paused) && paused.said != "":
		return paused.said
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.Is(err, errDial):
		return serverAway
	default:
		return serverLost
	}
}
