//go:build race

package e2e

// raceEnabled tells that the race detector slows everything down, so that how long something took is no measure.
const raceEnabled = true
