package jitter

import (
	"time"

	"gasso/internal/netsim"
)

const ms = time.Millisecond

// testCase is a network with what our buffer is to reach there, and what was measured there with
// Chromium 156 from probe to probe, without and with RED. 0: nothing.
type testCase struct {
	network
	unimpaired          bool
	mostMS, mostPercent float64
	chromiumMS          [2]float64
}

func cases() []testCase {
	jittery := netsim.Conditions{Delay: 10 * ms, Jitter: 3 * ms}
	lossy := func(loss, burst float64) netsim.Conditions {
		c := jittery
		c.Loss, c.BurstLength = loss, burst
		return c
	}
	bursts := lossy(0.05, 4)
	bursts.BurstExact = true
	stalling := func(c netsim.Conditions) netsim.Conditions {
		c.StallEvery, c.Stall, c.InOrder = 2*time.Second, 60*ms, true
		return c
	}
	return []testCase{
		{network: always("zero", netsim.Conditions{}), unimpaired: true, chromiumMS: [2]float64{28, 38}},
		{network: always("10±3 ms", jittery), mostMS: 26, mostPercent: 0.5, chromiumMS: [2]float64{68, 68}},
		{network: always("10±3 ms, 1 % loss", lossy(0.01, 1)), mostMS: 28, mostPercent: 0.3},
		{network: always("10±3 ms, 5 % loss", lossy(0.05, 1)), mostMS: 30, mostPercent: 0.5, chromiumMS: [2]float64{108, 89}},
		{network: always("10±3 ms, 10 % loss", lossy(0.10, 1)), mostMS: 34, mostPercent: 1.2, chromiumMS: [2]float64{99, 108}},
		{network: always("10±3 ms, 5 % in bursts of 4", bursts), mostMS: 45, mostPercent: 1.5},
		{network: always("10±3 ms, 5 % in bursts of 4 on average", lossy(0.05, 4)), mostMS: 45, mostPercent: 1.5, chromiumMS: [2]float64{97, 99}},
		{network: always("Wi-Fi: 2±1 ms, stalls of 60 ms every 2 s", stalling(netsim.Conditions{Delay: 2 * ms, Jitter: 1 * ms})), mostMS: 45, mostPercent: 1.5},
		{network: always("10±3 ms, stalls of 60 ms every 2 s", stalling(jittery))},
	}
}

const netEQRow = 1 // and with RED behind it

// buffer is one of the receivers that are compared.
type buffer struct {
	name string
	run  func(n network, seed uint64, length time.Duration, heard *listener)
}

var buffers = []buffer{
	{"ours", func(n network, seed uint64, length time.Duration, heard *listener) {
		newOurs(n, seed, heard).run(length)
	}},
	{"NetEQ", runNetEQ(false)},
	{"NetEQ, RED", runNetEQ(true)},
	{"Jamulus auto, its server beside the sender", runJamulus},
	{"SonoBus auto", runSonobus},
}
