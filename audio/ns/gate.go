package ns

import "math"

const (
	gateWindow     = 100  // frames over which the quietest is the noise floor: 1 s
	gateLearn      = 50   // frames before a floor is believed
	gateSteadyDB   = 5    // a frame this close above the floor is steady noise
	gateSteadyCut  = -32  // dB that steady noise is cut by in all, what RNNoise does included
	gateQuietDB    = 16   // a frame this far below the speech is no speech, as babble behind the performer
	gateQuietCut   = -12  // dB that it is cut by on top
	gateVoice      = 0.6  // probability from which a frame teaches how loud speech is
	gateHoldFrames = 30   // after speech nothing closes for 300 ms
	gateOpen       = 1.0  // of the way, in one frame: the first sound of a word must be whole
	gateClose      = 0.1  // of the way, in one frame
	gateForgetDB   = 0.02 // a frame, by which the speech's level falls: 2 dB a second
	gateFloorDB    = -100
)

// Gate cuts what RNNoise leaves: steady noise that it has not recognised, as white noise before the first
// word, and sound far below the speech. It looks at the unsuppressed frame, which is LatencySamples ahead
// of the suppressed one, so it is open before a word begins. It belongs to one goroutine.
type Gate struct {
	input  [gateWindow]float64 // levels of unsuppressed frames in dBFS
	output [gateWindow]float64 // and of suppressed ones
	count  int
	before float64 // level of the frame before, the one that comes out now
	speech float64 // level of speech in dBFS
	hold   int     // frames to stay open
	gainDB float64
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{before: gateFloorDB, speech: gateFloorDB} }

// Level is the level of a frame in dBFS without its DC, as Process wants it.
func Level(pcm []float32) float64 {
	sum, square, n := 0.0, 0.0, float64(len(pcm))
	for _, v := range pcm {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	return max(gateFloorDB, 10*math.Log10(max(0, square/n-sum/n*sum/n)+1e-30))
}

// Process works on a suppressed frame in place. inputDB is the Level of the unsuppressed frame that
// Suppressor.Process made it of, voice what that returned.
func (g *Gate) Process(pcm []float32, inputDB, voice float64) {
	wanted := g.wanted(Level(pcm), inputDB, voice)
	was := g.gainDB
	if wanted > g.gainDB {
		g.gainDB += gateOpen * (wanted - g.gainDB)
	} else {
		g.gainDB += gateClose * (wanted - g.gainDB)
	}
	g.before = inputDB
	if was == 0 && g.gainDB == 0 {
		return
	}
	gain, end := math.Pow(10, was/20), math.Pow(10, g.gainDB/20)
	step := (end - gain) / float64(len(pcm))
	for i := range pcm {
		gain += step
		pcm[i] *= float32(gain)
	}
}

// wanted is the gain in dB that a frame should get.
func (g *Gate) wanted(outputDB, inputDB, voice float64) float64 {
	if g.count < 3 { // nothing has come out yet
		outputDB = inputDB
	}
	g.input[g.count%gateWindow], g.output[g.count%gateWindow] = inputDB, outputDB
	g.count++
	floor, outputFloor := inputDB, outputDB
	for i := range min(g.count, gateWindow) {
		floor, outputFloor = min(floor, g.input[i]), min(outputFloor, g.output[i])
	}
	loud := max(inputDB, g.before)
	if g.speech -= gateForgetDB; voice >= gateVoice && inputDB > floor+2*gateSteadyDB {
		g.speech = max(g.speech, inputDB)
	}
	// Speech that RNNoise finds below a loud hum shows only behind it.
	steady := loud < floor+gateSteadyDB && outputDB < outputFloor+gateSteadyDB && g.count >= gateLearn
	quiet := loud < g.speech-gateQuietDB
	if !steady && !quiet {
		g.hold = gateHoldFrames
		return 0
	}
	if g.hold > 0 {
		g.hold--
		return 0
	}
	wanted := 0.0
	if quiet {
		wanted = gateQuietCut
	}
	if steady {
		wanted = min(wanted, gateSteadyCut-min(0, outputDB-g.before))
	}
	return min(wanted, 0)
}
