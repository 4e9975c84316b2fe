package session

import (
	"strings"

	"gasso/net/congestion"
)

// What is said of the network; the window translates each sentence.
const (
	uplinkShort    = "Your upload is short, so your sound is sent with less detail for now."
	uplinkTooShort = "Your upload is too slow even for the least; the others hear gaps. Stop other uploads or use a cable."
	serverWayShort = "The way to the server is short, so your sound is sent with less detail for now."
	downlinkShort  = "Your download is short, so you hear one mix of the others for now."
)

// describe writes what a screen shows of the network, and returns what is wrong with it.
func (a *adaptation) describe(self *Self) (problem string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, level := a.decision, a.down.watch.Level()
	self.Network = Network{
		UplinkBPS: d.UplinkBPS, LimitedBy: Limit(d.Whose), Short: d.Short, MostCopies: d.MaxCopies,
		DirectPaths: d.Direct, RestingPaths: len(a.resting), Receiving: receives(level),
	}
	var said []string
	switch {
	case d.Short:
		said = append(said, uplinkTooShort)
	case d.Limited && !d.Full && d.Whose == congestion.SideServer:
		said = append(said, serverWayShort)
	case d.Limited && !d.Full:
		said = append(said, uplinkShort)
	}
	if level == congestion.LevelMix {
		said = append(said, downlinkShort)
	}
	return strings.Join(said, " ")
}

func receives(l congestion.Level) Receives {
	switch l {
	case congestion.LevelDirect:
		return ReceivesDirect
	case congestion.LevelMix:
		return ReceivesMix
	}
	return ReceivesAll
}

// statsNetwork are the figures of the network in a line of statistics.
type statsNetwork struct {
	UplinkBPS    int      `json:"uplink_bps"`
	LimitedBy    Limit    `json:"limited_by,omitempty"`
	UplinkShort  bool     `json:"uplink_too_short"`
	MostCopies   int      `json:"most_copies"`
	DirectPaths  int      `json:"direct_paths"`
	RestingPaths int      `json:"resting_paths"`
	Receiving    Receives `json:"receiving"`
}

func newStatsNetwork(n *Network) statsNetwork {
	return statsNetwork{
		UplinkBPS: n.UplinkBPS, LimitedBy: n.LimitedBy, UplinkShort: n.Short, MostCopies: n.MostCopies,
		DirectPaths: n.DirectPaths, RestingPaths: n.RestingPaths, Receiving: n.Receiving,
	}
}
