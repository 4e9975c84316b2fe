// Package congestion finds out how much a performer's uplink carries, and decides what is sent over it.
//
// Packets to each other side carry transport-wide numbers; a Recorder at that side tells when each came
// (draft-holmer-rmcat-transport-wide-cc-extensions-01), and a Link makes delay, loss and rate of it. The
// Controller looks at all links of one sender together: what all of them suffer is the sender's own uplink,
// what one of them suffers is somebody else's. A Downlink does the same for what a receiver gets.
//
// Everything here is pure: no network, no goroutine, and time is a parameter.
package congestion

import (
	"errors"
	"time"
)

// ExtensionURI names the RTP header extension that carries transport-wide numbers.
const ExtensionURI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

// FeedbackEvery is the least time between two feedback packets of one Recorder.
const FeedbackEvery = 100 * time.Millisecond

var errFeedback = errors.New("malformed transport-wide feedback")
