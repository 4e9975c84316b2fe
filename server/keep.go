package server

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gasso/server/journal"
)

// JournalFolder is where packets are kept, below the data folder.
const JournalFolder = "journal"

func (c *Config) checkJournal() error {
	switch journal.Mode(c.Journal.Mode) {
	case journal.ModeAlways, journal.ModeOnAir, journal.ModeOff:
	default:
		return fmt.Errorf("journal.mode: %q is no mode: use always, on-air or off", c.Journal.Mode)
	}
	for _, l := range []struct {
		name            string
		value, low, top int
	}{
		{"days", c.Journal.Days, 0, 36500},
		{"room-mb", c.Journal.RoomMB, 1, 1 << 30},
		{"total-mb", c.Journal.TotalMB, 1, 1 << 30},
	} {
		if l.value < l.low || l.value > l.top {
			return fmt.Errorf("journal.%s: %d is out of range: use %d to %d", l.name, l.value, l.low, l.top)
		}
	}
	return nil
}

// openJournal opens the folder of the packets that are kept.
func (s *Server) openJournal() (err error) {
	s.journal, err = journal.Open(filepath.Join(s.cfg.Data, JournalFolder), journal.Config{
		Mode: journal.Mode(s.cfg.Journal.Mode), Keep: time.Duration(s.cfg.Journal.Days) * 24 * time.Hour,
		RoomBytes: int64(s.cfg.Journal.RoomMB) << 20, TotalBytes: int64(s.cfg.Journal.TotalMB) << 20,
		RoomNS: s.clock.NowNS, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("journal: %w: make the data folder writable", err)
	}
	s.closers = append(s.closers, s.journal.Close)
	return nil
}

// journalMetrics asks the journal when somebody looks.
type journalMetrics struct {
	journal                          *journal.Journal
	bytes, packets, dropped, problem *prometheus.Desc
}

func newJournalMetrics(j *journal.Journal) *journalMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("gasso_journal_"+name, help, nil, nil)
	}
	return &journalMetrics{
		journal: j,
		bytes:   desc("bytes", "Size of the journal on disk."),
		packets: desc("packets_total", "Packets written to the journal."),
		dropped: desc("packets_dropped_total", "Packets that could not be written in time; they are asked for again."),
		problem: desc("problem", "1 while something keeps packets from being written; the log says what."),
	}
}

// Describe implements prometheus.Collector.
func (m *journalMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.bytes, m.packets, m.dropped, m.problem} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *journalMetrics) Collect(ch chan<- prometheus.Metric) {
	status, problem := m.journal.Status(), 0.0
	if status.Problem != "" {
		problem = 1
	}
	ch <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, float64(status.Bytes))
	ch <- prometheus.MustNewConstMetric(m.packets, prometheus.CounterValue, float64(status.Packets))
	ch <- prometheus.MustNewConstMetric(m.dropped, prometheus.CounterValue, float64(status.Dropped))
	ch <- prometheus.MustNewConstMetric(m.problem, prometheus.GaugeValue, problem)
}
