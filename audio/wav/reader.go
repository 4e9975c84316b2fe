package wav

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// Reader reads one file. It belongs to one goroutine.
type Reader struct {
	file  *os.File // nil when reading from elsewhere
	src   io.ReadSeeker
	buf   *bufio.Reader
	enc   encoding
	start int64 // of the samples
	size  int64 // of the samples in bytes; -1 to the end of the file
	left  int64 // bytes not yet read, -1 as above
	raw   []byte
}

// Open opens a file. What is not a playable WAV file gives an error that wraps ErrNotAudio.
func Open(path string) (*Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open sound file: %w", err)
	}
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrNotAudio, path)
	}
	r, err := newReader(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrNotAudio, path, err)
	}
	r.file = file
	return r, nil
}

// newReader finds format and samples.
func newReader(src io.ReadSeeker) (*Reader, error) {
	r := &Reader{src: src, buf: bufio.NewReaderSize(src, 64<<10)}
	var head [12]byte
	if _, err := io.ReadFull(r.buf, head[:]); err != nil {
		return nil, errors.New("it is too short for a WAV file")
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, errors.New("it is not a WAV file; convert it to WAV first")
	}
	r.start = int64(len(head))
	for {
		id, size, err := r.head()
		if err != nil {
			return nil, err
		}
		switch id {
		case "fmt ":
			if err := r.format(size); err != nil {
				return nil, err
			}
		case "data":
			if r.enc.channels == 0 {
				return nil, errors.New("its samples come before their format")
			}
			r.size = size
			if size == 0 || size >= math.MaxUint32-1 { // never finished, or longer than the header can say
				r.size = -1
			}
			r.left = r.size
			return r, nil
		default:
			if err := r.skip(size); err != nil {
				return nil, err
			}
		}
	}
}

// head reads a chunk's head.
func (r *Reader) head() (id string, size int64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r.buf, head[:]); err != nil {
		return "", 0, errors.New("it ends before its samples")
	}
	r.start += int64(len(head))
	return string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:])), nil
}

// skip passes over a chunk's body, which is padded to even length.
func (r *Reader) skip(size int64) error {
	size += size & 1
	n, err := io.CopyN(io.Discard, r.buf, size)
	r.start += n
	if err != nil {
		return errors.New("it ends before its samples")
	}
	return nil
}

// format reads the body of the fmt chunk.
func (r *Reader) format(size int64) error {
	var body [40]byte
	if size < 16 {
		return errors.New("its format is cut short")
	}
	n := min(size, int64(len(body)))
	if _, err := io.ReadFull(r.buf, body[:n]); err != nil {
		return errors.New("its format is cut short")
	}
	r.start += n
	r.enc = encoding{
		tag:      binary.LittleEndian.Uint16(body[0:]),
		channels: int(binary.LittleEndian.Uint16(body[2:])),
		rate:     int(binary.LittleEndian.Uint32(body[4:])),
		bits:     int(binary.LittleEndian.Uint16(body[14:])),
	}
	if r.enc.tag == tagExtensible && n >= 26 {
		r.enc.tag = binary.LittleEndian.Uint16(body[24:])
	}
	if err := r.enc.check(); err != nil {
		return err
	}
	return r.skip(size - n)
}

// Rate is in Hz.
func (r *Reader) Rate() int { return r.enc.rate }

// Channels is the number of channels.
func (r *Reader) Channels() int { return r.enc.channels }

// Read fills dst with interleaved samples and returns how many samples (not frames) it read: whole
// frames only, and io.EOF after the last. What is not a number is read as zero.
func (r *Reader) Read(dst []float32) (int, error) {
	frames := int64(len(dst) / r.enc.channels)
	if frames == 0 {
		return 0, nil
	}
	bytes := frames * int64(r.enc.frameBytes())
	if r.left >= 0 {
		bytes = min(bytes, r.left)
	}
	if int64(cap(r.raw)) < bytes {
		r.raw = make([]byte, bytes)
	}
	n, err := io.ReadFull(r.buf, r.raw[:bytes])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("read sound file: %w", err)
	}
	if r.left >= 0 {
		r.left -= int64(n)
	}
	samples := n / r.enc.frameBytes() * r.enc.channels
	if samples == 0 {
		r.left = 0
		return 0, io.EOF
	}
	r.enc.decode(dst[:samples], r.raw)
	return samples, nil
}

// Rewind goes back to the first frame.
func (r *Reader) Rewind() error {
	if _, err := r.src.Seek(r.start, io.SeekStart); err != nil {
		return fmt.Errorf("rewind sound file: %w", err)
	}
	r.buf.Reset(r.src)
	r.left = r.size
	return nil
}

// Close closes the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// decode turns raw little-endian samples into floats of ±1.
func (e encoding) decode(dst []float32, raw []byte) {
	switch {
	case e.tag == tagFloat && e.bits == 64:
		for i := range dst {
			dst[i] = sane(float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))))
		}
	case e.tag == tagFloat:
		for i := range dst {
			dst[i] = sane(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	case e.bits == 32:
		for i := range dst {
			dst[i] = float32(int32(binary.LittleEndian.Uint32(raw[4*i:]))) / (1 << 31)
		}
	case e.bits == 24:
		for i := range dst {
			v := int32(raw[3*i])<<8 | int32(raw[3*i+1])<<16 | int32(raw[3*i+2])<<24
			dst[i] = float32(v) / (1 << 31)
		}
	case e.bits == 16:
		for i := range dst {
			dst[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / (1 << 15)
		}
	default:
		for i := range dst {
			dst[i] = (float32(raw[i]) - 128) / 128
		}
	}
}

// sane keeps what is not a number, infinite or absurd out of filters, which would never recover.
func sane(v float32) float32 {
	if v != v {
		return 0
	}
	return max(-64, min(64, v))
}
