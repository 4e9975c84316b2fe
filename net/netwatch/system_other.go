//go:build !linux

package netwatch

import "time"

// systemEvents are none: looking once a second is enough.
func systemEvents() (events <-chan struct{}, stop func()) { return nil, func() {} }

// systemRoutes is left to the addresses that the system would send from.
func systemRoutes() string { return "" }

var started = time.Now()

// asleep compares the time of day with the clock of this program, which stands still during sleep. The
// time of day may be set, too, which looks like sleep when it is set forward.
func asleep() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(started.Round(0)) - now.Sub(started)
}
