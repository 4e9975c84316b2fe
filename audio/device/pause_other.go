//go:build !linux

package device

import "time"

// pause waits as exactly as the system's timers do.
type pause struct{}

func newPause() *pause { return &pause{} }

// wait returns after so long.
func (*pause) wait(d time.Duration) { time.Sleep(d) }

func (*pause) close() {}
