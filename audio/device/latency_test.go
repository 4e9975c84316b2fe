package device

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/internal/soundrig"
)

// BenchmarkPassThrough measures the way from a microphone's hardware through both rings to the
// loudspeaker's hardware: the floor under every latency of Gasso on PulseAudio.
func BenchmarkPassThrough(b *testing.B) {
	for _, period := range []int{30, 60, 120, 240} {
		b.Run(fmt.Sprintf("period=%d", period), func(b *testing.B) {
			rig := soundrig.Start(b)
			for _, entry := range rig.Env() {
				setenv(b, entry)
			}
			cable := rig.Yardstick("yard")
			for b.Loop() {
				passThrough(b, rig, cable, period)
			}
		})
	}
}

func setenv(b *testing.B, entry string) {
	for i := range entry {
		if entry[i] == '=' {
			b.Setenv(entry[:i], entry[i+1:])
			return
		}
	}
}

func passThrough(b *testing.B, rig *soundrig.Rig, cable soundrig.Cable, period int) {
	config := func(id string) Config {
		return Config{Spec: Spec{Kind: Hardware, ID: id}, PeriodSamples: period}
	}
	c, err := OpenCapture(config(cable.Mic))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r, err := OpenRender(config(cable.Speaker))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	playing := rig.PlayPCM(audiotest.Noise(1, -12, 14*Rate, 1), 1, cable.MicSink)
	defer playing.Stop()
	recording := rig.Record(cable.Monitor)
	block := make([]float32, ringFrames*Channels)
	ahead, before, settled := period, int64(0), 5*time.Second
	var rusage syscall.Rusage
	cpu := func() time.Duration {
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &rusage)
		return time.Duration(rusage.Utime.Nano() + rusage.Stime.Nano())
	}
	used, lost := cpu(), int64(0)
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		<-c.Wake()
		n := c.Ring().Read(block)
		underruns := r.Stats().Underruns
		if underruns != before && time.Since(start) < settled {
			ahead += 24 // as little as it can do with
		}
		if before = underruns; time.Since(start) < settled {
			used, lost = cpu(), underruns
		}
		if extra := r.Ring().Len() + n - ahead; extra > period && time.Since(start) < settled {
			n = max(0, n-extra)
		}
		r.Ring().Write(block[:n*Channels])
	}
	used = cpu() - used
	pcm := recording.Stop()
	const window = Rate / 10
	var delays []int
	windows := 0
	for at := len(pcm)/Channels - 4*Rate; at+2*window <= len(pcm)/Channels; at += window {
		windows++
		piece := pcm[at*Channels : (at+2*window)*Channels]
		delay, correlation := audiotest.Delay(audiotest.Channel(piece, 0, 2), audiotest.Channel(piece, 1, 2), window)
		if correlation > 0.8 {
			delays = append(delays, delay)
		}
	}
	if len(delays) == 0 {
		b.Fatal("nothing was heard without gaps")
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2])/48, "ms")
	b.ReportMetric(float64(len(delays))/float64(windows)*100, "whole-%")
	b.ReportMetric(float64(r.Stats().Underruns-lost)/5, "underruns/s")
	b.ReportMetric(float64(ahead)/48, "ahead-ms")
	b.ReportMetric(float64(used)/float64(5*time.Second)*100, "cpu-%")
	b.ReportMetric(float64(c.Stats().PeriodSamples), "capture-samples")
	b.ReportMetric(float64(r.Stats().PeriodSamples), "render-samples")
	b.ReportMetric(float64(c.Stats().Callbacks)/10, "capture-callbacks/s")
	b.ReportMetric(float64(r.Stats().Callbacks)/10, "render-callbacks/s")
}
