package device

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Kind is what an input or output is.
type Kind string

// The kinds of inputs and outputs. Tone and Silence are inputs, Null is an output.
const (
	Hardware Kind = "device"
	File     Kind = "file"
	Tone     Kind = "tone"
	Silence  Kind = "silence"
	Null     Kind = "null"
)

// Spec names an input or output.
type Spec struct {
	Kind      Kind
	ID        string  // of Hardware; empty is the default device
	Channels  []int   // of Hardware, from 1: none is all, one is mono on both sides, two are left and right
	Path      string  // of File
	Frequency float64 // of Tone, in Hz
	Loop      bool    // of a File input: begin again at its end instead of silence
}

// loopSuffix asks for Loop in text.
const loopSuffix = "?loop"

// maxChannels is the highest channel of a device that can be asked for.
const maxChannels = 64

// channelSuffix is how text asks for one channel or two; no ID of Info ends like that.
var channelSuffix = regexp.MustCompile(`(?s)^(.*)#([0-9]+)(?:\+([0-9]+))?$`)

// parseHardware reads device[:ID][#CHANNEL[+CHANNEL]]; known says whether text is of that kind.
func parseHardware(text string) (spec Spec, known bool, err error) {
	rest := text
	match := channelSuffix.FindStringSubmatch(text)
	if match != nil {
		rest = match[1]
	}
	kind, id, _ := strings.Cut(rest, ":")
	if Kind(kind) != Hardware {
		return Spec{}, false, nil
	}
	spec = Spec{Kind: Hardware, ID: id}
	for i := 2; i < len(match) && match[i] != ""; i++ {
		channel, err := strconv.Atoi(match[i])
		if err != nil || channel < 1 || channel > maxChannels {
			return Spec{}, true, fmt.Errorf("%q asks for channel %s; channels go from 1 to %d, as in device#2 or device:ID#3+4", text, match[i], maxChannels)
		}
		spec.Channels = append(spec.Channels, channel)
	}
	return spec, true, nil
}

// ParseInput reads device[:ID][#CHANNEL[+CHANNEL]], file:PATH, file:PATH?loop, tone:HZ or silence.
func ParseInput(s string) (Spec, error) {
	if spec, known, err := parseHardware(s); known {
		return spec, err
	}
	kind, rest, more := strings.Cut(s, ":")
	switch Kind(kind) {
	case File:
		path, loop := strings.CutSuffix(rest, loopSuffix)
		if path == "" {
			return Spec{}, fmt.Errorf("input %q names no file; write file:PATH", s)
		}
		return Spec{Kind: File, Path: path, Loop: loop}, nil
	case Tone:
		hz, err := strconv.ParseFloat(rest, 64)
		if err != nil || math.IsNaN(hz) || hz < 1 || hz >= Rate/2 {
			return Spec{}, fmt.Errorf("input %q needs a frequency from 1 to %d Hz, as in tone:440", s, Rate/2-1)
		}
		return Spec{Kind: Tone, Frequency: hz}, nil
	case Silence:
		if !more {
			return Spec{Kind: Silence}, nil
		}
	}
	return Spec{}, fmt.Errorf("input %q is not known; write device, device:ID, file:PATH, tone:HZ or silence", s)
}

// ParseOutput reads device[:ID][#CHANNEL[+CHANNEL]], file:PATH.wav or null.
func ParseOutput(s string) (Spec, error) {
	if spec, known, err := parseHardware(s); known {
		return spec, err
	}
	kind, rest, more := strings.Cut(s, ":")
	switch Kind(kind) {
	case File:
		if !strings.HasSuffix(strings.ToLower(rest), ".wav") {
			return Spec{}, fmt.Errorf("output %q must be a WAV file; write file:PATH.wav", s)
		}
		return Spec{Kind: File, Path: rest}, nil
	case Null:
		if !more {
			return Spec{Kind: Null}, nil
		}
	}
	return Spec{}, fmt.Errorf("output %q is not known; write device, device:ID, file:PATH.wav or null", s)
}

// String is the text that ParseInput and ParseOutput read.
func (s Spec) String() string {
	switch {
	case s.Kind == Hardware:
		return s.hardwareText()
	case s.Kind == File && s.Loop:
		return string(File) + ":" + s.Path + loopSuffix
	case s.Kind == File:
		return string(File) + ":" + s.Path
	case s.Kind == Tone:
		return string(Tone) + ":" + strconv.FormatFloat(s.Frequency, 'g', -1, 64)
	default:
		return string(s.Kind)
	}
}

func (s Spec) hardwareText() string {
	text := string(Hardware)
	if s.ID != "" {
		text += ":" + s.ID
	}
	mark := "#"
	for _, channel := range s.Channels {
		text += mark + strconv.Itoa(channel)
		mark = "+"
	}
	return text
}
