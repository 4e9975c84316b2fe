// Package mix is the mixing desk: strips with gain, pan and mute, and a bus that also gives each
// contributor everything but itself.
package mix

// Settings are the controls of a strip.
type Settings struct {
	GainDB float64 // -80 (silent) to +12
	Pan    float64 // -1 left to +1 right; a balance: the centre leaves both channels alone
	Mute   bool
}

// Strip scales one stereo source. Any goroutine may call Set and Settings, one calls Add and Apply.
type Strip struct{ settings Settings }

// NewStrip returns a strip at 0 dB, centre.
func NewStrip() *Strip { return &Strip{} }

// Set changes the controls; the sound follows within 10 ms, without a click.
func (s *Strip) Set(settings Settings) { s.settings = settings }

// Settings returns the controls as last set.
func (s *Strip) Settings() Settings { return s.settings }

// Add sums the scaled stereo frame src onto bus. Both have the same length.
func (s *Strip) Add(bus, src []float32) {}

// Apply writes the scaled stereo frame src to dst; the two may be the same.
func (s *Strip) Apply(dst, src []float32) {}
