package material

import (
	"math"
	"testing"

	"gasso/audio/audiotest"
)

func TestMusicLoopsAndBelongsToItsSeed(t *testing.T) {
	music := Music(1)
	if len(music) != Seconds*Rate*Channels {
		t.Fatalf("%d samples, want 30 s", len(music))
	}
	if peak := audiotest.PeakDB(music); math.Abs(peak-peakDB) > 0.1 {
		t.Errorf("peak %.1f dB", peak)
	}
	if rms := audiotest.RMSDB(music); rms < -28 || rms > -14 {
		t.Errorf("RMS %.1f dB", rms)
	}
	for second := range Seconds { // never silent, so that a listener always hears something
		if rms := audiotest.RMSDB(music[second*Rate*Channels : (second+1)*Rate*Channels]); rms < -40 {
			t.Errorf("second %d has %.1f dB", second, rms)
		}
	}
	n := len(music)
	for channel := range Channels { // a click at the seam would be a jump
		if jump := math.Abs(float64(music[channel] - music[n-Channels+channel])); jump > 0.05 {
			t.Errorf("the loop jumps by %.3f on channel %d", jump, channel)
		}
	}
	again, other := Music(1), Music(2)
	same := 0
	for i, v := range music {
		if again[i] != v {
			t.Fatalf("sample %d differs the second time", i)
		}
		if other[i] == v {
			same++
		}
	}
	if same > n/10 {
		t.Errorf("another seed gives the same in %d of %d samples", same, n)
	}
}

func TestStringsAreInTune(t *testing.T) {
	for _, note := range []int{57, 69, 81, 86} {
		p := newPiece(1)
		p.pluck(0, note, 1, 0)
		mono := audiotest.Channel(p.pcm[:Rate*Channels], 0, Channels)
		best, loudest := 0.0, -200.0
		for cents := -30.0; cents <= 30; cents++ {
			if level := audiotest.ToneLevelDB(mono, 0, 1, hertz(note)*math.Pow(2, cents/1200)); level > loudest {
				best, loudest = cents, level
			}
		}
		if math.Abs(best) > 6 {
			t.Errorf("note %d is %g cents off", note, best)
		}
	}
}

func TestSpeechIsTwoVoicesOfHalfAMinute(t *testing.T) {
	speech, err := Speech(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(speech) != Seconds*Rate*Channels {
		t.Fatalf("%d samples, want 30 s", len(speech))
	}
	if peak := audiotest.PeakDB(speech); math.Abs(peak-speechPeakDB) > 0.1 {
		t.Errorf("peak %.1f dB", peak)
	}
	if rms := audiotest.RMSDB(speech); rms < -35 || rms > -15 {
		t.Errorf("RMS %.1f dB", rms)
	}
	if tail := audiotest.PeakDB(speech[len(speech)-Rate/10*Channels:]); tail > -60 {
		t.Errorf("the last word is cut: %.1f dB at the end", tail)
	}
	sides := 0 // of the two hosts: seconds louder on the left, and on the right
	for second := range Seconds {
		pcm := speech[second*Rate*Channels : (second+1)*Rate*Channels]
		if audiotest.RMSDB(audiotest.Channel(pcm, 0, Channels)) > audiotest.RMSDB(audiotest.Channel(pcm, 1, Channels)) {
			sides++
		}
	}
	if sides < Seconds/4 || sides > Seconds*3/4 {
		t.Errorf("the left host has %d of %d s", sides, Seconds)
	}
}
