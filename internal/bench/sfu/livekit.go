//go:build unix

package main

func newLiveKit(scenario) (*contender, string) {
	return nil, "GASSO_BENCH_LIVEKIT does not name a livekit-server binary"
}
