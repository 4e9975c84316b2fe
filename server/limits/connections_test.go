package limits

import "testing"

func TestConnectionsLeaveRoomForMedia(t *testing.T) {
	for _, c := range []struct{ descriptors, most, usual int }{
		{64, 16, 16}, {300, 44, 44}, {1024, 768, 768}, {4096, 3072, 3072}, {65536, 49152, 16384}, {maxDescriptors, 786432, 16384},
	} {
		if most, usual := MostConnections(c.descriptors), UsualConnections(c.descriptors); most != c.most || usual != c.usual {
			t.Errorf("%d descriptors allow %d connections, usually %d; want %d and %d", c.descriptors, most, usual, c.most, c.usual)
		}
	}
}

func TestDescriptorsAreRead(t *testing.T) {
	if n, err := Descriptors(); err != nil || n < 64 || n > maxDescriptors {
		t.Errorf("the process may have %d files open, %v", n, err)
	}
}
