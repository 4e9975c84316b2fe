package material

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"gasso/audio/resample"
	"gasso/audio/wav"
)

// line is what one of the hosts says.
type line struct {
	host int // 0 or 1
	text string
}

// talk is the hosts' conversation, about 28 s.
var talk = [...]line{
	{0, "Good evening, and welcome to the show. We are live, from two places at once."},
	{1, "Good evening! I am at home by the window, and you are three hundred kilometres away."},
	{0, "It does not sound like it. How was the rehearsal?"},
	{1, "Better than I had hoped. We played the whole first movement without stopping."},
	{0, "That is worth celebrating. Shall we tell our listeners what comes next?"},
	{1, "A little piece for strings and bass. Sit down and enjoy it."},
	{0, "Here it comes."},
}

// voice is how espeak-ng sounds for a host, and where the host sits from -1 to +1.
type voice struct {
	name      string
	pitch     int
	wordsAMin int
	place     float64
}

var voices = [2]voice{{"en-gb+m3", 42, 165, -0.2}, {"en-us+f2", 55, 160, 0.2}}

// speechPeakDB is the peak of the hosts' talk in dBFS.
const speechPeakDB = -6

// longestSpeechSeconds is all that Say returns of what is longer.
const longestSpeechSeconds = 120

// Speech lets espeak-ng read two radio hosts' talk: 30 s of interleaved stereo at 48 kHz. The error
// says so when espeak-ng is missing.
func Speech(ctx context.Context) ([]float32, error) {
	var lines [][]float32
	spoken := 0
	for _, l := range talk {
		v := voices[l.host]
		mono, err := Say(ctx, v.name, v.pitch, v.wordsAMin, l.text)
		if err != nil {
			return nil, err
		}
		lines = append(lines, mono)
		spoken += len(mono)
	}
	return arrange(lines, spoken), nil
}

// Say lets espeak-ng read a text with one of its voices, at a pitch from 0 to 99 and a speed in words a
// minute. It returns mono at 48 kHz; the error says so when espeak-ng is missing.
func Say(ctx context.Context, voice string, pitch, wordsAMinute int, text string) ([]float32, error) {
	program, err := exec.LookPath("espeak-ng")
	if err != nil {
		return nil, fmt.Errorf("espeak-ng is missing; make setup installs it: %w", err)
	}
	dir, err := os.MkdirTemp("", "gasso-speech")
	if err != nil {
		return nil, fmt.Errorf("make speech: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "spoken.wav")
	args := []string{"-v", voice, "-p", strconv.Itoa(pitch), "-s", strconv.Itoa(wordsAMinute), "-w", path, text}
	if answer, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("speak with espeak-ng: %w: %s", err, answer)
	}
	r, err := wav.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read what espeak-ng spoke: %w", err)
	}
	defer func() { _ = r.Close() }()
	raw := make([]float32, longestSpeechSeconds*r.Rate()*r.Channels())
	n, err := r.Read(raw)
	if err != nil {
		return nil, fmt.Errorf("read what espeak-ng spoke: %w", err)
	}
	mono := make([]float32, n/r.Channels())
	for i := range mono {
		mono[i] = raw[i*r.Channels()]
	}
	ratio := Rate / float64(r.Rate())
	converted := make([]float32, int(float64(len(mono))*ratio))
	written, _ := resample.New(1, ratio).Process(converted, mono)
	return converted[:written], nil
}

// arrange lays the lines one after the other with equal pauses, so that the whole is as long as the
// music, each host at a place and a level.
func arrange(lines [][]float32, spoken int) []float32 {
	pcm := make([]float32, samples*Channels)
	pause := max(0, (samples-spoken)/(len(lines)+1))
	at := pause / 2
	for i, mono := range lines {
		peak := float32(1e-9)
		for _, v := range mono {
			peak = max(peak, v, -v)
		}
		scale := math.Pow(10, speechPeakDB/20.0) / float64(peak)
		place := voices[talk[i].host].place
		left, right := scale*min(1, 1-place), scale*min(1, 1+place)
		for j, v := range mono {
			if at+j >= samples {
				break
			}
			pcm[2*(at+j)] = float32(left * float64(v))
			pcm[2*(at+j)+1] = float32(right * float64(v))
		}
		at += len(mono) + pause
	}
	return pcm
}
