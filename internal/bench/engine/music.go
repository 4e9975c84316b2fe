package engine

import (
	"fmt"
	"time"

	"gasso/audio/opus"
	"gasso/internal/material"
)

const (
	musicFrame   = 240 // samples: 5 ms
	musicBitrate = 192_000
)

// encodedMusic is a piece in packets of 5 ms, stereo, as live mode sends it.
func encodedMusic(seed uint64, length time.Duration) ([][]byte, error) {
	encoder, err := opus.NewEncoder(opus.EncoderConfig{
		Channels: channels, BitrateBPS: musicBitrate, FrameSamples: musicFrame, Complexity: 5, Application: opus.LowDelay,
	})
	if err != nil {
		return nil, fmt.Errorf("encode music: %w", err)
	}
	defer encoder.Close()
	pcm := material.Music(seed)
	pcm = pcm[:min(len(pcm), channels*samplesOf(length))]
	packets, payload := [][]byte{}, make([]byte, 1275)
	for ; len(pcm) >= channels*musicFrame; pcm = pcm[channels*musicFrame:] {
		n, err := encoder.Encode(pcm[:channels*musicFrame], payload)
		if err != nil {
			return nil, fmt.Errorf("encode music: %w", err)
		}
		packets = append(packets, append([]byte(nil), payload[:n]...))
	}
	return packets, nil
}
