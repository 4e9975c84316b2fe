package e2e

import (
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/internal/soundrig"
)

const (
	spokenText = "Good evening and welcome. Tonight three musicians in three cities play one piece together, and you are listening to all of them at once."
	otherText  = "The harbour closes at nine. Bring your own umbrella, take the second ferry, and never mind what the old captain says about the tides."
)

// TestSpeechReachesTheListenerAndTheOtherLoudspeaker speaks into a virtual microphone.
func TestSpeechReachesTheListenerAndTheOtherLoudspeaker(t *testing.T) {
	rig := soundrig.Start(t)
	ann, bo := rig.Cable("ann"), rig.Cable("bo")
	s := startServer(t, nil)
	a := startPerformer(t, s, rig.Env(), "Ann", "--input", "device:"+ann.Mic, "--output", "device:"+ann.Speaker)
	b := startPerformer(t, s, rig.Env(), "Bo", "--input", "device:"+bo.Mic, "--output", "device:"+bo.Speaker)
	a.hears(1)
	b.hears(1)
	speech := speak(t, spokenText)
	listener := s.record("22")
	loudspeaker := rig.Record(bo.Monitor)
	rig.Play(speech, ann.MicSink).Wait()
	time.Sleep(time.Second) // the tail of what is on its way
	atBo := loudspeaker.Stop()
	onAir := listener.pcm(40 * time.Second)

	said := audiotest.Channel(readWAV(t, speech), 0, 2)
	unrelated := audiotest.Channel(readWAV(t, speak(t, otherText, "-v", "en-us", "-s", "150")), 0, 2)
	for where, pcm := range map[string][]float32{"the playlist": onAir, "Bo's loudspeaker": atBo} {
		heard := audiotest.Channel(pcm, 0, 2)
		same, other := audiotest.EnvelopeCorrelation(said, heard), audiotest.EnvelopeCorrelation(unrelated, heard)
		t.Logf("%s: envelope correlation %.3f with what Ann said, %.3f with something else", where, same, other)
		if same < 0.8 {
			t.Errorf("%s correlates with what Ann said by %.3f, want at least 0.8", where, same)
		}
		if other > 0.3 {
			t.Errorf("%s correlates with an unrelated utterance by %.3f, want at most 0.3", where, other)
		}
	}
}

// TestEchoStaysWithThePerformer loops Bo's loudspeaker into Bo's microphone and listens to what
// comes back to Ann.
func TestEchoStaysWithThePerformer(t *testing.T) {
	for _, delay := range []time.Duration{40 * time.Millisecond, 120 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			offEcho, offOwn := echoAndOwn(t, delay, "off")
			onEcho, onOwn := echoAndOwn(t, delay, "voice")
			t.Logf("echo at Ann %.1f dB without and %.1f dB with cancellation; Bo's own speech %.1f and %.1f dB", offEcho, onEcho, offOwn, onOwn)
			if offEcho < -40 {
				t.Fatalf("without cancellation there is hardly an echo (%.1f dB): the test shows nothing", offEcho)
			}
			if less := offEcho - onEcho; less < 20 {
				t.Errorf("cancellation takes %.1f dB off the echo, want at least 20", less)
			}
			if change := onOwn - offOwn; change < -3 || change > 3 {
				t.Errorf("cancellation changes Bo's own speech by %.1f dB, want at most 3", change)
			}
		})
	}
}

// echoAndOwn measures, at Ann's loudspeaker, Ann's own speech coming back from Bo's room and then
// Bo's speech while Ann is silent: RMS in dBFS.
func echoAndOwn(t *testing.T, delay time.Duration, aec string) (echoDB, ownDB float64) {
	t.Helper()
	rig := soundrig.Start(t)
	defer rig.Close()
	ann, bo := rig.Cable("ann"), rig.Cable("bo")
	rig.Echo(&bo, -6, delay)
	s := startServer(t, nil)
	defer s.stop()
	off := []string{"--ns", "off", "--agc", "off"}
	a := startPerformer(t, s, rig.Env(), "Ann", append(off, "--aec", "off", "--input", "device:"+ann.Mic, "--output", "device:"+ann.Speaker)...)
	b := startPerformer(t, s, rig.Env(), "Bo", append(off, "--aec", aec, "--input", "device:"+bo.Mic, "--output", "device:"+bo.Speaker)...)
	defer a.stop()
	defer b.stop()
	a.hears(1)
	b.hears(1)
	far, near := speak(t, otherText), speak(t, spokenText)
	rig.Play(far, ann.MicSink).Wait() // the canceller learns the room
	recording := rig.Record(ann.Monitor)
	rig.Play(far, ann.MicSink).Wait()
	echo := recording.Stop()
	recording = rig.Record(ann.Monitor)
	rig.Play(near, bo.MicSink).Wait()
	own := recording.Stop()
	return audiotest.RMSDB(echo), audiotest.RMSDB(own)
}

// TestMicrophoneOfManyChannels plays on the second of four channels only.
func TestMicrophoneOfManyChannels(t *testing.T) {
	rig := soundrig.Start(t)
	cable := rig.CableOf("interface", 4)
	s := startServer(t, nil)
	startPerformer(t, s, rig.Env(), "Ann", "--input", "device:"+cable.Mic, "--aec", "off", "--ns", "off", "--agc", "off")
	b := startPerformer(t, s, nil, "Bo", "--input", "silence")
	b.hears(1)
	pcm := make([]float32, 4*48000*8)
	for i, v := range audiotest.Tone(440, -12, 48000*8, 1) {
		pcm[4*i+1] = v
	}
	rig.PlayPCM(pcm, 4, cable.MicSink).Wait()
	b.stop()
	heard := readWAV(t, b.heard)
	best := -120.0
	left, right := 0.0, 0.0
	for at := 0.0; at < float64(len(heard))/96000-1; at += 0.5 {
		part := seconds(heard, at, 1)
		if got := level(part, 440); got > best {
			best, left, right = got, audiotest.ToneLevelDB(part, 0, 2, 440), audiotest.ToneLevelDB(part, 1, 2, 440)
		}
	}
	t.Logf("a tone on channel 2 of 4 arrives at %.1f dB left and %.1f dB right", left, right)
	if best < -30 || left-right > 0.5 || right-left > 0.5 {
		t.Errorf("a tone on channel 2 of 4 arrives at %.1f dB left and %.1f dB right, want it centred", left, right)
	}
}
