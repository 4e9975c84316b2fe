package soundrig

import (
	"encoding/binary"
	"io"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"gasso/audio/wav"
)

// latencyMS is what the programs that play and record ask for.
const latencyMS = 20

// Playing is a signal on its way to a sink.
type Playing struct {
	cmd   *exec.Cmd
	ended chan struct{}
	once  sync.Once
}

// Play plays a WAV file of 48 kHz to a sink, as in Play(file, cable.MicSink).
func (r *Rig) Play(path, sink string) *Playing {
	r.t.Helper()
	reader, err := wav.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	if reader.Rate() != Rate {
		r.t.Fatalf("%s has %d Hz, the rig plays %d", path, reader.Rate(), Rate)
	}
	var pcm []float32
	buffer := make([]float32, 4096*reader.Channels())
	for {
		n, err := reader.Read(buffer)
		if pcm = append(pcm, buffer[:n]...); err != nil {
			break
		}
	}
	return r.PlayPCM(pcm, reader.Channels(), sink)
}

// PlayPCM plays interleaved PCM of 48 kHz to a sink, each channel to the sink's channel of that
// number, mono to all.
func (r *Rig) PlayPCM(pcm []float32, channels int, sink string) *Playing {
	r.t.Helper()
	return r.PlayPCMAt(pcm, channels, Rate, sink)
}

// PlayPCMAt plays as PlayPCM, at a rate in Hz.
func (r *Rig) PlayPCMAt(pcm []float32, channels, rate int, sink string) *Playing {
	r.t.Helper()
	raw := make([]byte, 0, 4*len(pcm))
	for _, v := range pcm {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	args := []string{"--playback", "--raw", "--device=" + sink, "--format=float32le", "--rate=" + strconv.Itoa(rate),
		"--channels=" + strconv.Itoa(channels), "--latency-msec=" + strconv.Itoa(latencyMS)}
	if channels > 2 {
		args = append(args, "--no-remix")
	}
	p := &Playing{cmd: r.command("pacat", args...), ended: make(chan struct{})}
	p.cmd.Stdin = strings.NewReader(string(raw))
	if err := p.cmd.Start(); err != nil {
		r.t.Fatalf("play: %v", err)
	}
	go func() {
		_ = p.cmd.Wait() // a player that was stopped ends with an error
		close(p.ended)
	}()
	r.t.Cleanup(p.Stop)
	return p
}

// Wait waits until all was played.
func (p *Playing) Wait() { <-p.ended }

// Stop ends playing; more calls do no harm.
func (p *Playing) Stop() {
	p.once.Do(func() { _ = p.cmd.Process.Kill() })
	<-p.ended
}

// Recording is what comes from a source.
type Recording struct {
	t     T
	cmd   *exec.Cmd
	ended chan struct{}
	once  sync.Once
	mu    sync.Mutex
	pcm   []float32
}

// Record records a source in stereo, as in Record(cable.Monitor).
func (r *Rig) Record(source string) *Recording {
	r.t.Helper()
	rec := &Recording{t: r.t, ended: make(chan struct{}), cmd: r.command("pacat", "--record", "--raw", "--device="+source,
		"--format=float32le", "--rate="+strconv.Itoa(Rate), "--channels="+strconv.Itoa(Channels),
		"--latency-msec="+strconv.Itoa(latencyMS))}
	output, err := rec.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatalf("record: %v", err)
	}
	if err := rec.cmd.Start(); err != nil {
		r.t.Fatalf("record: %v", err)
	}
	go rec.run(output)
	r.t.Cleanup(rec.end)
	return rec
}

func (r *Recording) run(output io.Reader) {
	defer close(r.ended)
	raw := make([]byte, 1<<16)
	left := 0
	for {
		n, err := output.Read(raw[left:])
		n += left
		whole := n - n%(4*Channels)
		r.mu.Lock()
		for i := 0; i < whole; i += 4 {
			r.pcm = append(r.pcm, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
		}
		r.mu.Unlock()
		left = copy(raw, raw[whole:n])
		if err != nil {
			_ = r.cmd.Wait() // a recorder that was stopped ends with an error
			return
		}
	}
}

// PCM is what was recorded so far, interleaved stereo.
func (r *Recording) PCM() []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]float32(nil), r.pcm...)
}

// Samples is how many samples a channel were recorded so far.
func (r *Recording) Samples() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pcm) / Channels
}

func (r *Recording) end() {
	r.once.Do(func() { _ = r.cmd.Process.Kill() })
	<-r.ended
}

// Stop ends recording and returns all of it, interleaved stereo.
func (r *Recording) Stop() []float32 {
	r.end()
	return r.PCM()
}
