package clocksync

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"testing"
)

// TestProtocolDocumentExamples keeps docs/protocol.md true: its bytes are the ping and the pong that it
// shows in JSON before.
func TestProtocolDocumentExamples(t *testing.T) {
	document, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	said := [][]byte{AppendPing(nil, 17), AppendPong(nil, 17, 1794657612345678901, 1794657612345690123)}
	examples := regexp.MustCompile("```hex clock\n([0-9a-f]+)\n```").FindAllSubmatch(document, -1)
	if len(examples) != len(said) {
		t.Fatalf("%d examples, want %d", len(examples), len(said))
	}
	for i, example := range examples {
		message, err := hex.DecodeString(string(example[1]))
		if err != nil || !bytes.Equal(message, said[i]) {
			t.Errorf("example %d is %s, want %x (%v)", i+1, example[1], said[i], err)
		}
	}
}

func TestClockMessagesSurviveTheWire(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 1 << 62, -1 << 63} {
		if got, err := ParsePing(AppendPing(nil, v)); err != nil || got != v {
			t.Errorf("ping %d came back as %d, %v", v, got, err)
		}
		id, received, answered, err := ParsePong(AppendPong(nil, v, v+1, v+2))
		if err != nil || id != v || received != v+1 || answered != v+2 {
			t.Errorf("pong %d came back as %d %d %d, %v", v, id, received, answered, err)
		}
	}
	if _, err := ParsePing(AppendPong(nil, 1, 2, 3)); err == nil {
		t.Error("a pong was taken for a ping")
	}
	if _, _, _, err := ParsePong(AppendPing(nil, 1)); err == nil {
		t.Error("a ping was taken for a pong")
	}
}

func FuzzClockMessages(f *testing.F) {
	f.Add(AppendPing(nil, 7))
	f.Add(AppendPong(nil, 7, 8, 9))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := ParsePing(b); err == nil && !bytes.Equal(AppendPing(nil, id), b) {
			t.Error("a ping is not what was written")
		}
		if id, r, a, err := ParsePong(b); err == nil && !bytes.Equal(AppendPong(nil, id, r, a), b) {
			t.Error("a pong is not what was written")
		}
	})
}
