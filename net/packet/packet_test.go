package packet

import "testing"

func TestIdentitySurvivesTheWire(t *testing.T) {
	id := NewPublicationID()
	back, err := ParsePublicationID(id.String())
	if err != nil || back != id {
		t.Fatalf("publication id came back as %v, %v", back, err)
	}
	for _, p := range []Packet{
		{Generation: 0, Number: 0, FirstSample: 0},
		{Generation: 255, Number: 65535, FirstSample: 1<<32 - 1},
		{Generation: 7, Number: 65536, FirstSample: 1 << 32},
		{Generation: 7, Number: MaxNumber, FirstSample: 84_480_000_000_123},
	} {
		for _, off := range []int64{0, 48000 * 3600 * 11, -48000 * 3600 * 11} {
			var ext [ExtensionSize]byte
			p.PutExtension(&ext)
			var got Packet
			if err := got.SetIdentity(ext[:], p.Timestamp(), p.FirstSample+off); err != nil {
				t.Fatal(err)
			}
			if got.Generation != p.Generation || got.Number != p.Number || got.FirstSample != p.FirstSample {
				t.Errorf("sent %+v with a clock off by %d, received %+v", p, off, got)
			}
		}
	}
}

func TestBrokenIdentityIsRefused(t *testing.T) {
	var p Packet
	for _, ext := range [][]byte{nil, {1, 2, 3}, {1, 2, 3, 4, 5}, make([]byte, 7)} {
		if p.SetIdentity(ext, 2, 3) == nil {
			t.Errorf("extension of %d bytes was accepted", len(ext))
		}
	}
	for _, s := range []string{"", "zz", "0123456789abcde", "0123456789abcdeg"} {
		if _, err := ParsePublicationID(s); err == nil {
			t.Errorf("publication id %q was accepted", s)
		}
	}
}

func FuzzSetIdentity(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6}, uint32(1<<31), int64(1<<40))
	f.Fuzz(func(t *testing.T, ext []byte, ts uint32, near int64) {
		var p Packet
		if p.SetIdentity(ext, ts, near) != nil {
			return
		}
		if p.Number < 0 || p.Number > MaxNumber || p.Timestamp() != ts {
			t.Fatalf("identity %+v does not fit time stamp %d", p, ts)
		}
	})
}
