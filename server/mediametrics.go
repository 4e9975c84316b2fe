package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"gasso/net/peer"
)

// mediaMetrics asks the media sockets when somebody looks.
type mediaMetrics struct{ mux *peer.Mux }

var mediaFigures = []struct {
	desc  *prometheus.Desc
	value func(*peer.MuxCounters) int64
}{
	{mediaDesc("unknown_total", "UDP packets of strangers that ask for nothing."), func(c *peer.MuxCounters) int64 { return c.Unknown }},
	{mediaDesc("unvalidated_total", "DTLS and media packets from addresses that passed no connectivity check."), func(c *peer.MuxCounters) int64 { return c.Unvalidated }},
	{mediaDesc("limited_total", "Connectivity checks of strangers beyond what a connection takes."), func(c *peer.MuxCounters) int64 { return c.Limited }},
	{mediaDesc("overflow_total", "Packets for connections that did not read."), func(c *peer.MuxCounters) int64 { return c.Overflow }},
	{mediaDesc("unsent_total", "Packets for which the system had no room."), func(c *peer.MuxCounters) int64 { return c.Unsent }},
	{mediaDesc("unproven_total", "Links that ended because DTLS failed, mostly over a certificate that was not announced."), func(c *peer.MuxCounters) int64 { return c.Unproven }},
	{mediaDesc("panics_total", "Mistakes of the server over a packet."), func(c *peer.MuxCounters) int64 { return c.Panics }},
	{mediaDesc("tcp_refused_total", "TCP connections closed for lack of room."), func(c *peer.MuxCounters) int64 { return c.Refused }},
}

func mediaDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("gasso_media_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (m mediaMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range mediaFigures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m mediaMetrics) Collect(ch chan<- prometheus.Metric) {
	counters := m.mux.Counters()
	for _, f := range mediaFigures {
		ch <- prometheus.MustNewConstMetric(f.desc, prometheus.CounterValue, float64(f.value(&counters)))
	}
}
