package clock

import (
	"os"
	"testing"
)

func TestTables(t *testing.T) {
	if err := Tables(os.Stdout); err != nil {
		t.Fatal(err)
	}
}
