package hls

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// adtsFrame has a payload of n bytes.
func adtsFrame(n int) []byte {
	length := n + 7
	return append([]byte{0xff, 0xf1, 1<<6 | 3<<2, byte(2<<6 | length>>11), byte(length >> 3), byte(length&7<<5 | 0x1f), 0xfc},
		bytes.Repeat([]byte{0xaa}, n)...)
}

func TestReadADTS(t *testing.T) {
	r := bufio.NewReader(bytes.NewReader(append(append(adtsFrame(3), adtsFrame(maxADTSFrame-7)...), adtsFrame(5)[:9]...)))
	for _, want := range []int{3, maxADTSFrame - 7} {
		if got, err := readADTS(r); err != nil || len(got) != want {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, want)
		}
	}
	if _, err := readADTS(r); !errors.Is(err, io.EOF) {
		t.Errorf("cut frame: %v, want EOF", err)
	}
	mono := adtsFrame(3)
	mono[3] = mono[3]&0x3f | 1<<6
	for name, raw := range map[string][]byte{"text": []byte("not found, sorry"), "empty": adtsFrame(0), "mono": mono} {
		if _, err := readADTS(bufio.NewReader(bytes.NewReader(raw))); !errors.Is(err, errADTS) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadADTS(f *testing.F) {
	f.Add(adtsFrame(10))
	f.Add(append(adtsFrame(1), adtsFrame(300)...))
	f.Add([]byte{0xff, 0xf1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bufio.NewReader(bytes.NewReader(raw))
		total := 0
		for {
			payload, err := readADTS(r)
			if err != nil {
				break
			}
			if len(payload) == 0 || len(payload) > maxADTSFrame {
				t.Fatalf("payload of %d bytes", len(payload))
			}
			total += len(payload)
		}
		if total > len(raw) {
			t.Fatalf("%d bytes out of %d", total, len(raw))
		}
	})
}

func TestTailKeepsTheEnd(t *testing.T) {
	var keep tail
	for range 100 {
		_, _ = keep.Write([]byte("an early line\n"))
	}
	_, _ = keep.Write([]byte("the\nlast line\n"))
	if got := keep.String(); len(got) > maxTail || !strings.HasSuffix(got, "early line the last line") {
		t.Errorf("kept %q", got)
	}
}
