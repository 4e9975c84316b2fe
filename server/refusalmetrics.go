package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"gasso/server/room"
)

// refusalMetrics asks the rooms' registry when somebody looks.
type refusalMetrics struct{ registry *room.Registry }

var (
	refusedDesc    = prometheus.NewDesc("gasso_refused_total", "Messages and joins that were refused, by the code that was answered.", []string{"code"}, nil)
	turnedAwayDesc = prometheus.NewDesc("gasso_signaling_connections_refused_total", "Signaling connections closed for lack of room.", nil, nil)
	forgedDesc     = prometheus.NewDesc("gasso_resume_forged_total", "Resumes with a secret that is not the participant's.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m refusalMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{refusedDesc, turnedAwayDesc, forgedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m refusalMetrics) Collect(ch chan<- prometheus.Metric) {
	refusals := m.registry.Refusals()
	for code, n := range refusals.ByCode {
		ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), code)
	}
	ch <- prometheus.MustNewConstMetric(turnedAwayDesc, prometheus.CounterValue, float64(refusals.Connections))
	ch <- prometheus.MustNewConstMetric(forgedDesc, prometheus.CounterValue, float64(refusals.ForgedResumes))
}
