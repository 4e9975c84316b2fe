package server

import (
	"strings"
	"testing"
)

func TestJournalKeysAreValidated(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"--journal-mode", "off"}, ""},
		{[]string{"--journal-mode", "on-air", "--journal-days", "0"}, ""},
		{[]string{"--journal-mode", "sometimes"}, "use always, on-air or off"},
		{[]string{"--journal-days", "-1"}, "journal.days"},
		{[]string{"--journal-room-mb", "0"}, "journal.room-mb"},
		{[]string{"--journal-total-mb", "0"}, "journal.total-mb"},
	} {
		_, err := load(t, "", nil, c.args...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}
