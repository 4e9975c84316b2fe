package table

import (
	"errors"
	"strings"
	"testing"
)

func TestTablePrintsHeadingOnceAndEachRow(t *testing.T) {
	var out strings.Builder
	x := New(&out, "delay", "case", "seed")
	if out.Len() != 0 {
		t.Error("a table without rows printed something")
	}
	x.Row([]string{"zero", "1"}, "<= 12 ms", "11 ms", true)
	x.Row([]string{"a|b"}, "<= 12 ms", "13 ms", false)
	x.NotMeasured([]string{"far", "3"}, "<= 12 ms", "machine 90 % busy")
	x.Shown([]string{"other", "4"}, "20 ms")
	want := `
## delay

| case | seed | goal | measured | ok |
|---|---|---|---|---|
| zero | 1 | <= 12 ms | 11 ms | ok |
| a/b |  | <= 12 ms | 13 ms | short |
| far | 3 | <= 12 ms |  | not measured: machine 90 % busy |
| other | 4 |  | 20 ms |  |
`
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if x.Err() != nil {
		t.Error(x.Err())
	}
}

func TestRowsMeasuredBesideOthersComeWhereTheyAreTaken(t *testing.T) {
	var out strings.Builder
	x := New(&out, "delay", "case")
	aside, empty := x.Aside(), x.Aside()
	aside.Shown([]string{"second"}, "2")
	x.Take(empty)
	if out.Len() != 0 {
		t.Errorf("without rows it printed %q", out.String())
	}
	x.Shown([]string{"first"}, "1")
	x.Take(aside)
	x.Take(aside)
	x.Shown([]string{"third"}, "3")
	want := "\n## delay\n\n| case | goal | measured | ok |\n|---|---|---|---|\n| first |  | 1 |  |\n| second |  | 2 |  |\n| third |  | 3 |  |\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestTableTellsThatItCouldNotWrite(t *testing.T) {
	x := New(broken{}, "delay", "case")
	x.Row([]string{"zero"}, "", "", true)
	if x.Err() == nil {
		t.Error("no error from a writer that fails")
	}
}
