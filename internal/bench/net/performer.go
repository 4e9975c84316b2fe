package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"

	"gasso/audio/wav"
	"gasso/internal/netsim/netns"
)

const (
	heardBlock = 10 * time.Millisecond
	heardLevel = 0.003 // RMS; the tones play at about 0.1
	steady     = 200 * time.Millisecond
	gap        = 20 * time.Millisecond  // shorter ones are what a tone between two blocks looks like
	margin     = 300 * time.Millisecond // before the end, where a program that ends falls silent
)

// performer is a running gasso headless.
type performer struct {
	rig     *rig
	name    string
	node    *netns.Node
	command *exec.Cmd
	begun   time.Time
	ended   time.Time
}

// perform starts a performer in a node. It plays a tone and writes what it hears, unless the
// arguments say otherwise.
func (r *rig) perform(node *netns.Node, name string, args ...string) (*performer, error) {
	all := append([]string{"headless", "--server", r.base(), "--ca", r.path("cert.pem"), "--room", roomID, "--name", name,
		"--input", "tone:440", "--output", "file:" + r.path(name+".wav"), "--stats", r.path(name + ".ndjson")}, args...)
	c := node.Command("bin/gasso", all...)
	c.Env = append(os.Environ(), "HOME="+r.path("home-"+name), "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "XDG_STATE_HOME=")
	log, err := os.Create(r.path(name + ".log"))
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	p := &performer{rig: r, name: name, node: node, command: c, begun: time.Now()}
	return p, r.Run(c)
}

// stop ends a performer, so that what it heard is written to the end.
func (p *performer) stop() error {
	if !p.ended.IsZero() {
		return nil
	}
	p.ended = time.Now()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	if err := p.rig.Wait(p.command); err != nil {
		said, _ := os.ReadFile(p.rig.path(p.name + ".log"))
		return fmt.Errorf("%s ended: %w: %s", p.name, err, lastLine(said))
	}
	return nil
}

// stats is what this benchmark reads of a line of --stats.
type stats struct {
	At            time.Time `json:"at"`
	State         string    `json:"state"`
	ParticipantID string    `json:"participant_id"`
	RoomNS        int64     `json:"room_time_ns"` // at At
	RTTMS         float64   `json:"rtt_ms"`
	BitrateBPS    float64   `json:"bitrate_bps"`
	CPUPercent    float64   `json:"cpu_percent"`
	Receiving     string    `json:"receiving"` // what it does without, or not
	Performers    []heard   `json:"performers"`
	Publications  []sent    `json:"publications"`
}

// sent is what a performer has encoded of a publication.
type sent struct {
	ID      string `json:"id"`
	Packets int64  `json:"packets"`
	SHA256  string `json:"sha256"` // over number (8 bytes, big-endian) and payload of each
}

// heard is how another performer is heard.
type heard struct {
	Name             string  `json:"name"`
	Direct           bool    `json:"direct"`
	Forwarded        bool    `json:"forwarded"`
	ConcealedRatio   float64 `json:"concealed_ratio"` // of the last 5 s
	PlayedMS         float64 `json:"played_ms"`
	ConcealedMS      float64 `json:"concealed_ms"`
	PathDifferenceMS float64 `json:"path_difference_ms"`
	TargetDelayMS    float64 `json:"target_delay_ms"`
	CurrentDelayMS   float64 `json:"current_delay_ms"`
	PacketsDirect    int64   `json:"packets_direct"`
	PacketsForwarded int64   `json:"packets_forwarded"`
	PacketsLost      int64   `json:"packets_lost"`
}

// of returns how a performer is heard.
func (s stats) of(name string) (heard, bool) {
	for _, h := range s.Performers {
		if h.Name == name {
			return h, true
		}
	}
	return heard{}, false
}

// stats returns the lines written so far.
func (p *performer) stats() ([]stats, error) {
	text, err := os.ReadFile(p.rig.path(p.name + ".ndjson"))
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	var all []stats
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var s stats
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("read statistics of %s: %w", p.name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// between returns the lines of a span of time.
func (p *performer) between(from, to time.Time) ([]stats, error) {
	all, err := p.stats()
	if err != nil {
		return nil, err
	}
	var some []stats
	for _, s := range all {
		if !s.At.Before(from) && s.At.Before(to) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("%s wrote no statistics in %v", p.name, to.Sub(from))
	}
	return some, nil
}

// concealed returns how much of another one's sound was concealed in a span after a moment.
func (p *performer) concealed(of string, moment time.Time, span time.Duration) (time.Duration, error) {
	var total [2]float64
	for i := range total {
		at := moment.Add(time.Duration(i) * span)
		some, err := p.between(at.Add(-2*time.Second), at)
		if err != nil {
			return 0, err
		}
		h, ok := some[len(some)-1].of(of)
		if !ok {
			return 0, fmt.Errorf("%s does not hear %s", p.name, of)
		}
		total[i] = h.ConcealedMS
	}
	return time.Duration((total[1] - total[0]) * float64(time.Millisecond)), nil
}

// sound is what a performer heard, in blocks of 10 ms.
type sound struct {
	begun time.Time
	loud  []bool
}

// sound ends the performer and reads what it heard. Its last sample was heard when it ended.
func (p *performer) sound() (sound, error) {
	if err := p.stop(); err != nil {
		return sound{}, err
	}
	levels, err := levelsOf(p.rig.path(p.name + ".wav"))
	if err != nil {
		return sound{}, fmt.Errorf("read what %s heard: %w", p.name, err)
	}
	s := sound{begun: p.ended.Add(-time.Duration(len(levels)) * heardBlock), loud: make([]bool, len(levels))}
	for i, level := range levels {
		s.loud[i] = level > heardLevel
	}
	return s, nil
}

// levelsOf returns the RMS of each block of a WAV file.
func levelsOf(path string) (levels []float64, err error) {
	r, err := wav.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	block := make([]float32, r.Rate()/int(time.Second/heardBlock)*r.Channels())
	for {
		n, err := fill(r, block)
		if n == len(block) {
			levels = append(levels, rms(block))
		}
		if errors.Is(err, io.EOF) || n < len(block) {
			return levels, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func fill(r *wav.Reader, block []float32) (n int, err error) {
	for n < len(block) && err == nil {
		var k int
		k, err = r.Read(block[n:])
		n += k
		if k == 0 && err == nil {
			break
		}
	}
	return n, err
}

func rms(block []float32) float64 {
	sum := 0.0
	for _, v := range block {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(block)))
}

// back returns how long after a moment sound came back: when the longest gap of the time looked at
// ended, 0 when there is none. Negative: it did not.
func (s sound) back(after, until time.Time) time.Duration {
	first, last := s.block(after), s.block(until)
	end, longest, run := first, int(gap/heardBlock)-1, 0
	for i := first; i < last; i++ {
		if s.loud[i] {
			run = 0
			continue
		}
		if run++; run > longest {
			longest, end = run, i+1
		}
	}
	if last-end < int(steady/heardBlock) {
		return -1
	}
	return time.Duration(end-first) * heardBlock
}

// block returns the number of the block at a moment.
func (s sound) block(at time.Time) int {
	return min(max(0, int(at.Sub(s.begun)/heardBlock)), len(s.loud))
}

// silence returns the longest silence between two moments.
func (s sound) silence(from, to time.Time) (longest time.Duration) {
	run := 0
	for i := s.block(from); i < s.block(to); i++ {
		if s.loud[i] {
			run = 0
			continue
		}
		run++
		longest = max(longest, time.Duration(run)*heardBlock)
	}
	return longest
}

// first returns how long after a moment sound was heard for the first time; negative: never.
func (s sound) first(after time.Time) time.Duration {
	run := 0
	for i := s.block(after); i < len(s.loud); i++ {
		if !s.loud[i] {
			run = 0
			continue
		}
		if run++; run >= int(steady/heardBlock) {
			return max(0, s.begun.Add(time.Duration(i+1-run)*heardBlock).Sub(after))
		}
	}
	return -1
}
