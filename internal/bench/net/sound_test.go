package main

import (
	"testing"
	"time"
)

func TestSoundComesBackAfterTheLongestGap(t *testing.T) {
	begun := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	// loud returns a second of sound with gaps, each from and to in ms.
	loud := func(gaps ...[2]int) sound {
		s := sound{begun: begun, loud: make([]bool, 100)}
		for i := range s.loud {
			s.loud[i] = true
			for _, g := range gaps {
				if i*10 >= g[0] && i*10 < g[1] {
					s.loud[i] = false
				}
			}
		}
		return s
	}
	after, until := begun.Add(100*time.Millisecond), begun.Add(900*time.Millisecond)
	for _, c := range []struct {
		name                 string
		sound                sound
		back, silence, first time.Duration
	}{
		{"no gap", loud(), 0, 0, 0},
		{"a block between two tones", loud([2]int{300, 310}), 0, 10 * time.Millisecond, 0},
		{"one gap that begins later", loud([2]int{150, 400}), 300 * time.Millisecond, 250 * time.Millisecond, 300 * time.Millisecond},
		{"a gap that began before", loud([2]int{50, 200}), 100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond},
		{"a short one after a long one", loud([2]int{150, 400}, [2]int{500, 530}), 300 * time.Millisecond, 250 * time.Millisecond, 430 * time.Millisecond},
		{"never", loud([2]int{150, 1000}), -1, 750 * time.Millisecond, -1},
	} {
		if got := c.sound.back(after, until); got != c.back {
			t.Errorf("%s: back after %v, want %v", c.name, got, c.back)
		}
		if got := c.sound.silence(after, until); got != c.silence {
			t.Errorf("%s: silent for %v, want %v", c.name, got, c.silence)
		}
		if got := c.sound.first(after); got != c.first {
			t.Errorf("%s: first heard after %v, want %v", c.name, got, c.first)
		}
	}
	if loud().back(begun.Add(time.Hour), begun.Add(2*time.Hour)) >= 0 {
		t.Error("sound after its end")
	}
}
