package server

import (
	"testing"

	"go.uber.org/goleak"
)

// Everything that a server starts has ended when Run returns, but what certmagic keeps for some
// seconds for its lock files and for good for its rate limit, and the test authority's queue.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"))
}
