package jitter

import (
	"testing"
	"time"
)

func TestBuffersHearWhatWasSent(t *testing.T) {
	for _, n := range cases() {
		for _, b := range buffers {
			l := newListener()
			b.run(n.network, 1, 3*time.Minute, l)
			t.Logf("%-45s %-12s %.1f ms %.2f %%", n.name, b.name, l.probeMS(), l.percent())
		}
	}
}
