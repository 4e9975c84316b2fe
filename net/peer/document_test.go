package peer

import (
	"encoding/hex"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"gasso/net/redundancy"
)

// TestProtocolDocumentExamples keeps docs/protocol.md true: its RTCP packet declines a track for 3 s.
func TestProtocolDocumentExamples(t *testing.T) {
	document, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("```hex rtcp\n([0-9a-f]+)\n```").FindSubmatch(document)
	if example == nil {
		t.Fatal("there is no example")
	}
	raw, err := hex.DecodeString(string(example[1]))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := rtcp.Unmarshal(raw)
	if err != nil || len(packets) != 1 {
		t.Fatalf("%d packets, %v", len(packets), err)
	}
	app, ok := packets[0].(*rtcp.ApplicationDefined)
	if !ok || app.Name != redundancy.AppName || app.SubType != redundancy.AppDecline || app.SSRC != 0x1a2b3c4d {
		t.Fatalf("it is %+v", packets[0])
	}
	track := newLocalTrack(NewPublisher("anna"), &Link{})
	now := time.Now()
	track.now = func() time.Time { return now }
	track.takeFeedback(app, now)
	now = now.Add(3*time.Second - 1)
	if !track.idle() {
		t.Error("packets are sent within 3 s")
	}
	if now = now.Add(1); track.idle() {
		t.Error("packets are not sent after 3 s")
	}
}
