package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsHandler serves health and metrics to the operator.
func (s *Server) opsHandler() http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newRoomMetrics(s), newJournalMetrics(s.journal), mediaMetrics{s.mux}, refusalMetrics{s.registry})
	if s.turn != nil {
		metrics.MustRegister(turnMetrics{s.turn})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return guardHost(s.OpsAddr(), s.recoverPanic(mux))
}

// serveReady tells whether new participants can come: not while the server ends or its state is away.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	if _, err := s.store.Revoked("ready"); err != nil {
		http.Error(w, "the state cannot be read: check the disk", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// roomMetrics asks the rooms when somebody looks.
type roomMetrics struct {
	server *Server

	rooms, onAir, participants, listeners, received, forwarded, dropped, unannounced, backfilled, backfillRefused, restarts, segments, lost *prometheus.Desc
}

func newRoomMetrics(s *Server) *roomMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gasso_"+name, help, labels, nil)
	}
	return &roomMetrics{
		server:          s,
		rooms:           desc("rooms", "Open rooms."),
		onAir:           desc("rooms_on_air", "Rooms on air."),
		participants:    desc("participants", "Participants of a room.", "room"),
		listeners:       desc("listeners", "Listeners of a room that fetch its playlist from this server.", "room"),
		received:        desc("sfu_packets_received_total", "Packets received from performers.", "room"),
		forwarded:       desc("sfu_packets_forwarded_total", "Packets forwarded to performers.", "room"),
		dropped:         desc("sfu_packets_dropped_total", "Packets above a participant's limit.", "room"),
		unannounced:     desc("sfu_packets_unannounced_total", "Packets of publications that were not announced: forwarded, not mixed.", "room"),
		backfilled:      desc("backfill_packets_total", "Packets that performers sent later.", "room"),
		backfillRefused: desc("backfill_refused_total", "Messages and packets of backfill that nobody asked for, or that cannot be.", "room"),
		restarts:        desc("encoder_restarts_total", "Times the encoder of the broadcast was started again.", "room"),
		segments:        desc("hls_segments_total", "Segments published in this broadcast.", "room"),
		lost:            desc("encoder_dropped_samples_total", "Samples of the program that the encoder's queue could not take.", "room"),
	}
}

// Describe implements prometheus.Collector.
func (m *roomMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.rooms, m.onAir, m.participants, m.listeners, m.received, m.forwarded, m.dropped, m.unannounced, m.backfilled, m.backfillRefused, m.restarts, m.segments, m.lost,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *roomMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	statuses := m.server.registry.Status()
	live := 0
	for _, st := range statuses {
		if st.OnAir.Live {
			live++
		}
		gauge(m.participants, float64(len(st.Participants)), st.ID)
		gauge(m.listeners, float64(st.OnAir.Listeners), st.ID)
		counter(m.received, st.PacketsReceived, st.ID)
		counter(m.forwarded, st.PacketsToPerformers, st.ID)
		counter(m.dropped, st.PacketsDropped, st.ID)
		counter(m.unannounced, st.PacketsUnannounced, st.ID)
		counter(m.backfilled, st.Backfilled, st.ID)
		counter(m.backfillRefused, st.BackfillRefused, st.ID)
		if b := m.server.broadcastOf(st.ID); b != nil {
			if packager := b.packager.Load(); packager != nil {
				h := packager.Status()
				counter(m.restarts, h.Restarts, st.ID)
				counter(m.segments, h.Segments, st.ID)
				counter(m.lost, h.DroppedSamples, st.ID)
			}
		}
	}
	gauge(m.rooms, float64(len(statuses)))
	gauge(m.onAir, float64(live))
}
