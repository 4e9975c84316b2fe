package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gasso/audio/audiotest"
)

// file builds a WAV file in memory.
func file(tag, channels, rate, bits int, data []byte, extra ...byte) []byte {
	b := []byte("RIFF\xff\xff\xff\xffWAVE")
	b = append(b, "LIST\x03\x00\x00\x00abc\x00"...) // of odd length, padded
	b = append(b, "fmt "...)
	b = binary.LittleEndian.AppendUint32(b, uint32(16+len(extra)))
	for _, v := range []int{tag, channels} {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(bits))
	b = append(append(b, extra...), "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

func TestReadsEveryKindOfSample(t *testing.T) {
	float32s := binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.5))
	float32s = binary.LittleEndian.AppendUint32(float32s, math.Float32bits(float32(math.NaN())))
	float64s := binary.LittleEndian.AppendUint64(nil, math.Float64bits(-0.25))
	extensible := append([]byte{22, 0, 16, 0, 0, 0, 0, 0, tagPCM, 0}, make([]byte, 14)...)
	tests := []struct {
		name string
		raw  []byte
		want []float32
	}{
		{"8 bit", file(tagPCM, 1, 8000, 8, []byte{128, 192, 0}), []float32{0, 0.5, -1}},
		{"16 bit", file(tagPCM, 2, 44100, 16, []byte{0, 0x40, 0, 0x80}), []float32{0.5, -1}},
		{"24 bit", file(tagPCM, 1, 48000, 24, []byte{0, 0, 0x40, 0, 0, 0x80}), []float32{0.5, -1}},
		{"32 bit", file(tagPCM, 1, 48000, 32, []byte{0, 0, 0, 0x40, 0, 0, 0, 0xc0}), []float32{0.5, -0.5}},
		{"float", file(tagFloat, 1, 48000, 32, float32s), []float32{0.5, 0}},
		{"double", file(tagFloat, 1, 48000, 64, float64s), []float32{-0.25}},
		{"extensible", file(tagExtensible, 1, 48000, 16, []byte{0, 0x40}, extensible...), []float32{0.5}},
		{"half a frame at the end", file(tagPCM, 2, 48000, 16, []byte{0, 0x40, 0, 0x40, 0, 0}), []float32{0.5, 0.5}},
	}
	for _, test := range tests {
		r, err := newReader(bytes.NewReader(test.raw))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for range 2 { // the second time after Rewind
			dst := make([]float32, 8)
			n, err := r.Read(dst)
			if err != nil || !equal(dst[:n], test.want) {
				t.Errorf("%s: read %v, %v, want %v", test.name, dst[:n], err, test.want)
			}
			if _, err := r.Read(dst); !errors.Is(err, io.EOF) {
				t.Errorf("%s: error %v at the end, want EOF", test.name, err)
			}
			if err := r.Rewind(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

func equal(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRefusesInWordsWhatIsNotAudio(t *testing.T) {
	dir := t.TempDir()
	good := file(tagPCM, 1, 48000, 16, make([]byte, 100))
	tests := []struct{ name, want, content string }{
		{"empty", "too short", ""},
		{"text", "not a WAV file", "this is only some text, no sound"},
		{"cut", "ends before its samples", string(good[:50])},
		{"mp3", "compressed", string(file(0x55, 2, 44100, 16, nil))},
		{"channels", "0 channels", string(file(tagPCM, 0, 44100, 16, nil))},
		{"rate", "rate is 3 Hz", string(file(tagPCM, 1, 3, 16, nil))},
		{"nothing", "ends before", "RIFF\x04\x00\x00\x00WAVE"},
		{"order", "before their format", "RIFF\x04\x00\x00\x00WAVEdata\x00\x00\x00\x00"},
	}
	for _, test := range tests {
		path := filepath.Join(dir, test.name)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if !errors.Is(err, ErrNotAudio) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that says %q", test.name, err, test.want)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNotAudio) {
		t.Errorf("folder: %v", err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	pcm := audiotest.Noise(3, -20, 5000, 3)
	for name, create := range map[string]func(string, int, int) (*Writer, error){"float": Create, "int16": CreateInt16} {
		path := filepath.Join(t.TempDir(), "x.wav")
		w, err := create(path, 44100, 3)
		if err != nil {
			t.Fatal(err)
		}
		for rest := pcm; len(rest) > 0; rest = rest[min(len(rest), 300):] {
			if err := w.Write(rest[:min(len(rest), 300)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := readAll(t, path)
		if len(got) != len(pcm) {
			t.Fatalf("%s: %d samples, want %d", name, len(got), len(pcm))
		}
		if db := audiotest.SignalToErrorDB(pcm, got); db < 75 {
			t.Errorf("%s: %.1f dB from what was written", name, db)
		}
	}
}

func readAll(t *testing.T, path string) (pcm []float32) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buffer := make([]float32, 997*r.Channels())
	for {
		n, err := r.Read(buffer)
		pcm = append(pcm, buffer[:n]...)
		if errors.Is(err, io.EOF) {
			return pcm
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledWriterLosesLessThanASecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := Create(path, 48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 350 { // 3.5 s, never closed
		if err := w.Write(audiotest.Tone(440, -6, 480, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(readAll(t, path)); got < 3*48000 || got > 350*480 {
		t.Errorf("%d samples can be read", got)
	}
	_ = w.file.Close()
}

func FuzzReader(f *testing.F) {
	f.Add(file(tagPCM, 2, 44100, 16, make([]byte, 64)))
	f.Add(file(tagFloat, 1, 48000, 32, make([]byte, 30)))
	f.Add(file(tagPCM, 1, 8000, 24, []byte{1, 2, 3}))
	f.Add([]byte("RIFF\x04\x00\x00\x00WAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := newReader(bytes.NewReader(raw))
		if err != nil {
			return
		}
		dst := make([]float32, 1024)
		for total := 0; ; {
			n, err := r.Read(dst)
			if err != nil {
				break
			}
			if total += n; n == 0 || n%r.Channels() != 0 || total > len(raw) {
				t.Fatalf("read %d samples, %d in all, from %d bytes", n, total, len(raw))
			}
			for _, v := range dst[:n] {
				if !(v >= -64 && v <= 64) {
					t.Fatalf("sample %g", v)
				}
			}
		}
	})
}
