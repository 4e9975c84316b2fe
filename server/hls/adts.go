package hls

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// maxADTSFrame is the longest frame that the 13-bit length can say, in bytes.
const maxADTSFrame = 1<<13 - 1

var errADTS = errors.New("what it wrote is no AAC-LC at 48 kHz in stereo")

// readADTS reads one frame (ISO/IEC 14496-3, 1.A.2.2.1) and returns its raw data block. It returns
// io.EOF at the end, also within a frame.
func readADTS(r *bufio.Reader) ([]byte, error) {
	h, err := r.Peek(7)
	if err != nil {
		return nil, io.EOF
	}
	header := 9 // with a checksum
	if h[1]&1 == 1 {
		header = 7
	}
	length := int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5])>>5
	profile, rate, layout := h[2]>>6, h[2]>>2&15, h[2]&1<<2|h[3]>>6
	switch {
	case h[0] != 0xff || h[1]&0xf6 != 0xf0: // sync word, layer 0
		return nil, fmt.Errorf("%w: no sync word", errADTS)
	case profile != 1 || rate != 3 || layout != 2:
		return nil, fmt.Errorf("%w: profile %d, rate index %d, layout %d", errADTS, profile, rate, layout)
	case length <= header || h[6]&3 != 0:
		return nil, fmt.Errorf("%w: bad length", errADTS)
	}
	buf := make([]byte, length)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, io.EOF
	}
	return buf[header:], nil
}

// tail keeps the end of what a process complained.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const maxTail = 600 // bytes

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxTail):]...)
	t.buf = t.buf[max(0, len(t.buf)-maxTail):]
	return len(p), nil
}

// String returns the last lines as one.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ToValidUTF8(string(t.buf), "")
	return strings.Join(strings.Fields(text), " ")
}
