package governor

import (
	"slices"
	"testing"
	"time"
)

func TestStepsAreReadFromTheStatistics(t *testing.T) {
	start := time.Unix(1000, 0)
	var l lines
	for i, step := range []int{0, 0, 1, 2, 2, 1, 0, 1, 0, 0} {
		l = append(l, line{At: start.Add(time.Duration(i) * time.Second), Step: step, Underruns: int64(2 * i), Memory: int64(step)})
	}
	if got := l.steps(); !slices.Equal(got, []int{0, 1, 2, 1, 0, 1, 0}) {
		t.Errorf("steps %v", got)
	}
	if took, back := l.backAfter(start); !back || took != 8*time.Second {
		t.Errorf("back %v after %v", back, took)
	}
	if _, back := l[:8].backAfter(start); back {
		t.Error("back though the last step is 1")
	}
	if l.dropouts() != 18 || l.memory() != 2 || len(l.last(3*time.Second)) != 3 {
		t.Errorf("%d dropouts, %d bytes, %d lines in the last 3 s", l.dropouts(), l.memory(), len(l.last(3*time.Second)))
	}
	for want, steps := range map[bool][][]int{
		true:  {{0, 1}, {1, 2, 3, 2, 3}, {0, 1, 0}},
		false: {{0}, {0, 2}, {1, 2, 0, 2}, nil},
	} {
		for _, s := range steps {
			if inOrder(s) != want {
				t.Errorf("%v: %v", s, !want)
			}
		}
	}
}
