package peer

import (
	"errors"
	"io"
	"testing"

	"github.com/pion/transport/v5/packetio"
)

// What comes before anybody takes it waits, within a bound; then each packet is taken on the goroutine that
// brings it, until the end.
func TestInboxDelivers(t *testing.T) {
	var in inbox
	come := in.open(packetio.RTPBufferPacket, 7)
	for n := range byte(earlyPackets + 3) {
		_, err := come.Write([]byte{n})
		if full := errors.Is(err, packetio.ErrFull); full != (n >= earlyPackets) {
			t.Errorf("early packet %d: %v", n, err)
		}
	}
	buf := make([]byte, 8)
	if n, err := come.Read(buf); n != 1 || err != nil || buf[0] != 0 {
		t.Errorf("pion looks at %d bytes, %v: %v", n, err, buf[:n])
	}
	var got []byte
	stream := in.stream(7)
	if !stream.begin(func(p []byte) { got = append(got, p...) }) {
		t.Fatal("nobody may take it")
	}
	if string(got) != "\x01\x02\x03\x04\x05\x06\x07" {
		t.Errorf("early packets %v", got)
	}
	if _, err := come.Write([]byte{99}); !errors.Is(err, packetio.ErrFull) || got[len(got)-1] != 99 {
		t.Errorf("taken %v, %v", got, err) // with ErrFull pion knows that nothing waits
	}
	if err := stream.take(nil); !errors.Is(err, errTaken) {
		t.Errorf("taken twice: %v", err)
	}
	other := in.open(packetio.RTPBufferPacket, 8)
	ended, taken := make(chan error), in.stream(8)
	go func() { ended <- taken.take(func([]byte) {}) }()
	for range 2 {
		if err := errors.Join(come.Close(), other.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("end: %v", err)
	}
	if _, err := come.Write([]byte{1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("written after the end: %v", err)
	}
	if _, err := come.Read(buf); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
	if in.stream(7) != nil || in.stream(8) != nil {
		t.Error("an ended stream is still there")
	}
}

// A stream that was closed does not take the next one of its number away.
func TestInboxKeepsTheNewerStream(t *testing.T) {
	var in inbox
	older := in.open(packetio.RTPBufferPacket, 7)
	newer := in.open(packetio.RTPBufferPacket, 7)
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	if in.stream(7) != newer {
		t.Error("the newer stream is gone")
	}
}

func TestInboxReports(t *testing.T) {
	var in inbox
	come := in.open(packetio.RTCPBufferPacket, 7)
	got := 0
	count := func(reports []byte) { got += len(reports) }
	in.onReports(8, count)
	for _, take := range []func([]byte){nil, count, nil} {
		in.onReports(7, take)
		if n, err := come.Write([]byte{1, 2, 3}); n != 3 || err != nil {
			t.Errorf("written %d, %v", n, err)
		}
	}
	if got != 3 {
		t.Errorf("%d bytes", got)
	}
	for range 2 {
		if err := come.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := come.Read(make([]byte, 8)); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
}
