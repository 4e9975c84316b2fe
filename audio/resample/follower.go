package resample

// maxCorrect is by how much a follower changes a rate at most: more than devices are off, less than is heard.
const maxCorrect = 500e-6

// Follower is the control loop that keeps two clocks together by resampling: critically damped, second
// order, so that a constant drift leaves no error. It belongs to one goroutine.
type Follower struct {
	proportional float64 // a sample of error
	integral     float64 // a sample of error, an update
	drift        float64
}

// NewFollower returns a follower at rest. radians is how fast it is, in radians a second: an error is gone after
// about 6 / radians seconds. interval is the time between two updates in seconds, rate the samples a second.
func NewFollower(radians, interval, rate float64) Follower {
	return Follower{proportional: 2 * radians / rate, integral: radians * radians / rate * interval}
}

// Update takes by how many samples the output is behind where it should be, and returns how much faster
// than nominal it has to run from now on, as a fraction within ±500e-6.
func (f *Follower) Update(behind float64) (correction float64) {
	f.drift = limited(f.drift + f.integral*behind)
	return limited(f.drift + f.proportional*behind)
}

// Drift is what Update has learnt: by how much faster the output runs in the long term, as a fraction.
func (f *Follower) Drift() float64 { return f.drift }

func limited(x float64) float64 { return min(max(x, -maxCorrect), maxCorrect) }
