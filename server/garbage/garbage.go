// Package garbage sets how much memory the server's process may hold beyond what it uses.
package garbage

import (
	"os"
	"runtime/debug"
)

// percent of what is in use may be garbage, a third of Go's default: joining leaves much, and forwarding and
// mixing next to none, so that collecting three times as often costs no time worth the name.
const percent = 33

// Limit holds for the process from now on, unless GOGC in the environment says otherwise.
func Limit() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
