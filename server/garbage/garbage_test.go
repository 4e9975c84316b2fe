package garbage

import (
	"runtime/debug"
	"testing"
)

func TestLimit(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOGC", "")
	Limit()
	if p := debug.SetGCPercent(100); p != percent {
		t.Errorf("limit is %d %%", p)
	}
	t.Setenv("GOGC", "100")
	Limit()
	if p := debug.SetGCPercent(100); p != 100 {
		t.Errorf("limit is %d %% although the environment sets one", p)
	}
}
