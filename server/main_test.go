package server

import (
	"testing"

	"go.uber.org/goleak"
)

// Everything that a server starts has ended when Run returns, but what certmagic keeps for some
// seconds for its lock files.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}
