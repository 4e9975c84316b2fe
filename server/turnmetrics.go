package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"gasso/server/turnserver"
)

// turnMetrics asks the relay when somebody looks.
type turnMetrics struct{ server *turnserver.Server }

var turnFigures = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*turnserver.Stats) float64
}{
	{turnDesc("allocations", "Relayed addresses in use."), prometheus.GaugeValue, func(s *turnserver.Stats) float64 { return float64(s.Allocations) }},
	{turnDesc("streams", "Connections of relay clients over TCP and TLS."), prometheus.GaugeValue, func(s *turnserver.Stats) float64 { return float64(s.Streams) }},
	{turnDesc("allocations_total", "Relayed addresses given out."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.AllocationsTotal) }},
	{turnDesc("bytes_total", "Bytes relayed, both ways."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Bytes) }},
	{turnDesc("unauthorized_total", "Requests with wrong or expired credentials."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Unauthorized) }},
	{turnDesc("over_quota_total", "Requests above a quota."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.OverQuota) }},
	{turnDesc("forbidden_total", "Datagrams and permissions for addresses on the deny list."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Forbidden) }},
	{turnDesc("over_rate_total", "Datagrams above the bandwidth of a relayed address."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.OverRate) }},
	{turnDesc("flooded_total", "Datagrams of strangers that were not looked at."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Flooded) }},
	{turnDesc("malformed_total", "Datagrams and messages that are no TURN."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Malformed) }},
	{turnDesc("panics_total", "Mistakes of the relay over a message."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.Panics) }},
	{turnDesc("streams_refused_total", "Connections refused for lack of room."), prometheus.CounterValue, func(s *turnserver.Stats) float64 { return float64(s.RefusedStreams) }},
}

func turnDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("gasso_turn_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (m turnMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range turnFigures {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m turnMetrics) Collect(ch chan<- prometheus.Metric) {
	stats := m.server.Stats()
	for _, f := range turnFigures {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&stats))
	}
}
