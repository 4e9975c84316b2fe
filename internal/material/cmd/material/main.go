// Command material writes music.wav and speech.wav, the bundled material, to a folder. Without
// espeak-ng it writes the music only and says so.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"gasso/audio/wav"
	"gasso/internal/material"
)

func main() {
	folder := flag.String("out", ".", "folder to write to; it is made if need be")
	seed := flag.Uint64("seed", 1, "which piece of music to compose")
	flag.Parse()
	if err := run(*folder, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "material:", err)
		os.Exit(1)
	}
}

func run(folder string, seed uint64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := write(filepath.Join(folder, "music.wav"), material.Music(seed)); err != nil {
		return err
	}
	speech, err := material.Speech(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "material: music only, since", err)
		return nil
	}
	return write(filepath.Join(folder, "speech.wav"), speech)
}

// write replaces a file only when all of it is there, so that who plays it never reads half of it.
func write(path string, pcm []float32) error {
	temporary := path + ".part"
	w, err := wav.CreateInt16(temporary, material.Rate, material.Channels)
	if err != nil {
		return err
	}
	err = w.Write(pcm)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
