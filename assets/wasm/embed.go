// Package wasm holds the WebAssembly modules that come with the program.
package wasm

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:fetched
var fetched embed.FS

// ErrNotFetched says that the program was built before its modules were fetched.
var ErrNotFetched = errors.New("the noise suppressor (rnnoise.wasm) is not part of this build: `make setup` fetches it, then build again")

// RNNoise returns the RNNoise module, or ErrNotFetched.
func RNNoise() ([]byte, error) {
	module, err := fs.ReadFile(fetched, "fetched/rnnoise.wasm")
	if err != nil || len(module) == 0 {
		return nil, ErrNotFetched
	}
	return module, nil
}
