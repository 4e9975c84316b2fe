package capture

import (
	"errors"
	"sync"

	"gasso/audio/aec"
	"gasso/audio/ns"
)

// Engines are the heavy parts of the processing: AEC3 and RNNoise. They take tens of milliseconds to make
// and seconds to learn, and so they outlive the microphones, which use them one after another, never two
// at a time. Any goroutine may call the methods.
type Engines struct {
	model []byte

	making sync.Mutex // held while one is made; before mu

	mu         sync.Mutex // guards what follows
	closed     bool
	canceller  *aec.Canceller // nil until first needed
	suppressor *ns.Suppressor // nil until first needed
}

// NewEngines makes nothing yet. noiseModel is rnnoise.wasm; without it there is no noise suppression.
func NewEngines(noiseModel []byte) *Engines { return &Engines{model: noiseModel} }

// Prepare makes what p needs and is not there, so that switching to p takes no time. What this build or
// machine cannot do is an error; the rest is made all the same.
func (e *Engines) Prepare(p Processing) error {
	if lacking, err := e.lacking(p); err != nil || lacking == (Processing{}) {
		return err
	}
	e.making.Lock()
	defer e.making.Unlock()
	lacking, err := e.lacking(p)
	if err != nil {
		return err
	}
	canceller, suppressor, problem := e.make(lacking)
	e.mu.Lock()
	defer e.mu.Unlock()
	if canceller != nil {
		e.canceller = canceller
	}
	if suppressor != nil {
		e.suppressor = suppressor
	}
	return problem
}

// lacking are the stages of p that cannot run yet.
func (e *Engines) lacking(p Processing) (Processing, error) {
	canceller, suppressor, err := e.present()
	return Processing{
		EchoCancellation: p.EchoCancellation && !p.Music && canceller == nil,
		NoiseSuppression: p.NoiseSuppression && !p.Music && suppressor == nil,
	}, err
}

func (e *Engines) make(p Processing) (canceller *aec.Canceller, suppressor *ns.Suppressor, err error) {
	var problems [2]error
	if p.EchoCancellation {
		canceller, problems[0] = aec.New()
	}
	if p.NoiseSuppression {
		suppressor, problems[1] = ns.New(e.model)
	}
	return canceller, suppressor, errors.Join(problems[:]...)
}

// present is what there is now, nil for what is not.
func (e *Engines) present() (*aec.Canceller, *ns.Suppressor, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, ErrClosed
	}
	return e.canceller, e.suppressor, nil
}

// enhancementDB is by how much the canceller's filter reduces the echo; 0 until known.
func (e *Engines) enhancementDB() float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.canceller == nil {
		return 0
	}
	return e.canceller.EnhancementDB()
}

// Close frees the engines; the microphones that use them must be closed.
func (e *Engines) Close() {
	e.making.Lock()
	defer e.making.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	if e.canceller != nil {
		e.canceller.Close()
	}
	if e.suppressor != nil {
		e.suppressor.Close()
	}
}
