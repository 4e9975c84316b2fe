package wav

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// headerBytes is the length of the header that Writer writes: RIFF, fmt and the head of data.
const headerBytes = 44

// Writer writes one file. It belongs to one goroutine. The header is right after each second of sound,
// so a file whose writer was killed still plays.
type Writer struct {
	file    *os.File
	buf     *bufio.Writer
	enc     encoding
	bytes   int64 // of samples
	settled int64 // of them, when the header was last right
	raw     []byte
}

// Create makes a file of 32 bit float samples, replacing what was there.
func Create(path string, rate, channels int) (*Writer, error) {
	return create(path, encoding{tag: tagFloat, bits: 32, rate: rate, channels: channels})
}

// CreateInt16 makes a file of 16 bit samples, replacing what was there. What exceeds ±1 is clipped.
func CreateInt16(path string, rate, channels int) (*Writer, error) {
	return create(path, encoding{tag: tagPCM, bits: 16, rate: rate, channels: channels})
}

func create(path string, enc encoding) (*Writer, error) {
	if err := enc.check(); err != nil {
		return nil, fmt.Errorf("create sound file %s: %w", path, err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create sound file: %w", err)
	}
	w := &Writer{file: file, buf: bufio.NewWriterSize(file, 64<<10), enc: enc}
	if _, err := file.Write(w.header()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write sound file: %w", err)
	}
	return w, nil
}

// header describes what has been written so far; check has made sure that its numbers fit.
func (w *Writer) header() []byte {
	size := uint32(min(w.bytes, math.MaxUint32-headerBytes)) // longer files say the most they can
	h := make([]byte, 0, headerBytes)
	h = append(h, "RIFF"...)
	h = binary.LittleEndian.AppendUint32(h, headerBytes-8+size)
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)
	h = binary.LittleEndian.AppendUint16(h, w.enc.tag)
	h = binary.LittleEndian.AppendUint16(h, uint16(w.enc.channels))
	h = binary.LittleEndian.AppendUint32(h, uint32(w.enc.rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(w.enc.rate*w.enc.frameBytes()))
	h = binary.LittleEndian.AppendUint16(h, uint16(w.enc.frameBytes()))
	h = binary.LittleEndian.AppendUint16(h, uint16(w.enc.bits))
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, size)
}

// Write appends interleaved samples, whole frames.
func (w *Writer) Write(pcm []float32) error {
	w.raw = w.enc.encode(w.raw[:0], pcm)
	if _, err := w.buf.Write(w.raw); err != nil {
		return fmt.Errorf("write sound file: %w", err)
	}
	w.bytes += int64(len(w.raw))
	if w.bytes-w.settled >= int64(w.enc.rate*w.enc.frameBytes()) {
		return w.settle()
	}
	return nil
}

// settle brings samples and header to the file.
func (w *Writer) settle() error {
	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("write sound file: %w", err)
	}
	if _, err := w.file.WriteAt(w.header(), 0); err != nil {
		return fmt.Errorf("write sound file header: %w", err)
	}
	w.settled = w.bytes
	return nil
}

// Close finishes the file.
func (w *Writer) Close() error {
	err := w.settle()
	if closeErr := w.file.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close sound file: %w", closeErr)
	}
	return err
}

func (e encoding) encode(raw []byte, pcm []float32) []byte {
	for _, v := range pcm {
		if e.tag == tagFloat {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			continue
		}
		scaled := math.Round(float64(max(-1, min(1, v))) * (1<<15 - 1))
		raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(scaled)))
	}
	return raw
}
