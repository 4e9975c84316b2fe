package device

import (
	"fmt"
	"math"
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
	Path      string  // of File
	Frequency float64 // of Tone, in Hz
	Loop      bool    // of a File input: begin again at its end instead of silence
}

// loopSuffix asks for Loop in text.
const loopSuffix = "?loop"

// ParseInput reads device[:ID], file:PATH, file:PATH?loop, tone:HZ or silence.
func ParseInput(s string) (Spec, error) {
	kind, rest, more := strings.Cut(s, ":")
	switch Kind(kind) {
	case Hardware:
		return Spec{Kind: Hardware, ID: rest}, nil
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

// ParseOutput reads device[:ID], file:PATH.wav or null.
func ParseOutput(s string) (Spec, error) {
	kind, rest, more := strings.Cut(s, ":")
	switch Kind(kind) {
	case Hardware:
		return Spec{Kind: Hardware, ID: rest}, nil
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
	case s.Kind == Hardware && s.ID != "":
		return string(Hardware) + ":" + s.ID
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
