// Package ns suppresses noise in speech with RNNoise, run as WebAssembly by wazero.
package ns

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FrameSamples is the length of every frame in samples, 10 ms at 48 kHz, mono.
const FrameSamples = 480

// LatencySamples is by how much Process delays the signal (10 ms).
const LatencySamples = 480

const memoryLimitPages = 256 // of 64 KiB

var errModule = errors.New("the module is not RNNoise: it lacks one of the functions newState, getInput, pipe, getVadProb")

// Suppressor is one RNNoise for one channel. It belongs to one goroutine; Process allocates nothing.
type Suppressor struct {
	runtime wazero.Runtime
	memory  api.Memory
	input   api.Function
	pipe    api.Function
	voice   api.Function
	state   uint64
	stack   [2]uint64
	failed  bool
}

// New compiles the module (the file rnnoise.wasm); Close frees it.
func New(wasm []byte) (*Suppressor, error) {
	if len(wasm) == 0 {
		return nil, errors.New("noise suppression needs rnnoise.wasm, which this build does not hold")
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(memoryLimitPages))
	s, err := start(ctx, runtime, wasm)
	if err != nil {
		_ = runtime.Close(ctx)
		return nil, fmt.Errorf("start noise suppressor: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, runtime wazero.Runtime, wasm []byte) (*Suppressor, error) {
	module, err := runtime.Instantiate(ctx, wasm)
	if err != nil {
		return nil, err
	}
	s := &Suppressor{
		runtime: runtime,
		memory:  module.Memory(),
		input:   module.ExportedFunction("getInput"),
		pipe:    module.ExportedFunction("pipe"),
		voice:   module.ExportedFunction("getVadProb"),
	}
	create := module.ExportedFunction("newState")
	if s.memory == nil || s.input == nil || s.pipe == nil || s.voice == nil || create == nil {
		return nil, errModule
	}
	result, err := create.Call(ctx)
	if err != nil {
		return nil, err
	}
	if len(result) != 1 || result[0] == 0 {
		return nil, errModule
	}
	s.state = result[0]
	return s, nil
}

// Process suppresses the noise in pcm (FrameSamples, mono) in place, delayed by LatencySamples, and
// returns the probability from 0 to 1 that the frame holds speech. Should the module ever fail, pcm
// stays as it is from then on and the result is 1.
func (s *Suppressor) Process(pcm []float32) (voice float64) {
	if s.failed || len(pcm) != FrameSamples {
		return 1
	}
	at, ok := s.call(s.input, s.state, 0)
	if !ok || !s.store(uint32(at), pcm) {
		return s.fail()
	}
	at, ok = s.call(s.pipe, s.state, FrameSamples)
	if !ok {
		return s.fail()
	}
	if at != 0 && !s.load(uint32(at), pcm) {
		return s.fail()
	}
	bits, ok := s.call(s.voice, s.state, 0)
	if !ok {
		return s.fail()
	}
	return min(max(float64(math.Float32frombits(uint32(bits))), 0), 1)
}

func (s *Suppressor) fail() float64 {
	s.failed = true
	return 1
}

func (s *Suppressor) call(f api.Function, first, second uint64) (uint64, bool) {
	s.stack = [2]uint64{first, second}
	err := f.CallWithStack(context.Background(), s.stack[:])
	return s.stack[0], err == nil
}

func (s *Suppressor) store(at uint32, pcm []float32) bool {
	bytes, ok := s.memory.Read(at, FrameSamples*4)
	if !ok {
		return false
	}
	for i, x := range pcm {
		v := math.Float32bits(x)
		bytes[4*i], bytes[4*i+1], bytes[4*i+2], bytes[4*i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return true
}

func (s *Suppressor) load(at uint32, pcm []float32) bool {
	bytes, ok := s.memory.Read(at, FrameSamples*4)
	if !ok {
		return false
	}
	for i := range pcm {
		v := uint32(bytes[4*i]) | uint32(bytes[4*i+1])<<8 | uint32(bytes[4*i+2])<<16 | uint32(bytes[4*i+3])<<24
		pcm[i] = math.Float32frombits(v)
	}
	return true
}

// Close frees the module.
func (s *Suppressor) Close() { _ = s.runtime.Close(context.Background()) }
