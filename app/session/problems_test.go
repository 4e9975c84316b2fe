package session

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"gasso/net/signaling"
)

func TestProblemOfPutsErrorsIntoWords(t *testing.T) {
	refusal := &signaling.Error{Code: signaling.CodeExpired, Message: "The invite has expired.", Next: "Ask the host for a new one."}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{refusal, "The invite has expired. Ask the host for a new one."},
		{fmt.Errorf("join: %w", refusal), "The invite has expired. Ask the host for a new one."},
		{errors.Join(errDial, io.ErrUnexpectedEOF), "The server cannot be reached."},
		{errors.Join(errDial, &signaling.Error{Message: "The server is full."}), "The server is full."},
		{fmt.Errorf("serve: %w", &pause{text: "closed", said: serverRestarting}), "The server is being restarted."},
		{&pause{text: "closed"}, "The connection to the server was lost."},
		{io.EOF, "The connection to the server was lost."},
	} {
		if got := problemOf(c.err); got != c.want {
			t.Errorf("problemOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestOnlyRefusalsThatPassAreWorthRetrying(t *testing.T) {
	for code, want := range map[string]bool{
		signaling.CodeFull: true, signaling.CodeResume: true, signaling.CodeRate: true, signaling.CodeInternal: true,
		signaling.CodeInvite: false, signaling.CodeExpired: false, signaling.CodeForbidden: false,
		signaling.CodeVersion: false, signaling.CodeUnknownRoom: false, signaling.CodeMalformed: false, "": false,
	} {
		if got := worthRetrying(&signaling.Error{Code: code}); got != want {
			t.Errorf("worthRetrying(%q) = %v", code, got)
		}
	}
}

func TestProblemsAreTakenBackOneByOne(t *testing.T) {
	now := time.Unix(1000, 0)
	p := problems{connection: "Lost.", microphone: microphoneStopped, refusal: "Too fast.", refusedAt: now}
	for _, c := range []struct {
		change func()
		after  time.Duration
		more   []string
		want   string
	}{
		{func() {}, 0, []string{microphoneStopped, outputStopped}, "Lost. " + microphoneStopped + " " + outputStopped + " Too fast."},
		{func() { p.connection = "" }, 0, nil, microphoneStopped + " Too fast."},
		{func() { p.microphone = "" }, refusalShown - 1, nil, "Too fast."},
		{func() {}, refusalShown, nil, ""},
		{func() {}, refusalShown, []string{"", outputStopped}, outputStopped},
	} {
		c.change()
		if got := p.words(now.Add(c.after), c.more...); got != c.want {
			t.Errorf("words = %q, want %q", got, c.want)
		}
	}
}
