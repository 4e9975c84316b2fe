package server

import (
	"testing"

	"go.uber.org/goleak"
)

// Everything that a server starts has ended when Run returns.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
