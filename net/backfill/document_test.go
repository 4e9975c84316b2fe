package backfill

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"testing"
	"time"

	"gasso/net/packet"
)

// TestProtocolDocumentExamples keeps docs/protocol.md true: its bytes mean what it says.
func TestProtocolDocumentExamples(t *testing.T) {
	document, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	id := packet.PublicationID{0x5b, 0x1f, 0x0c, 0x9d, 0x8e, 0x7a, 0x6f, 0x42}
	const start = int64(1794657600) * packet.SampleRate
	have := Have{
		Publication: id, Generation: 91, Channels: 2, Music: true, FrameSamples: 240, LookAheadSamples: 120,
		First: 1200, Last: 6799, LastSample: start + 6799*240,
	}
	wish := want{
		publication: id, program: true, archive: true, delay: 950 * time.Millisecond, rate: 1 << 20, ranges: []Range{{1200, 1799}, {1804, 1804}},
	}
	packed := packing{}
	for n := int64(1200); n < 1202; n++ {
		packed.add(&packet.Packet{Publication: id, Number: n, FirstSample: start + n*240, Samples: 240, Payload: []byte{0xec, 0xff, 0xfe}}, MaxMessage)
	}
	lost := gone{id, []Range{{1300, 1399}}}
	kept := durable{id, false, []Range{{0, 1299}, {1400, 1799}}}
	said := [][]byte{have.append(nil), wish.append(nil), packed.message, lost.append(nil), kept.append(nil)}

	examples := regexp.MustCompile("```hex\n([0-9a-f]+)\n```").FindAllSubmatch(document, -1)
	if len(examples) != len(said) {
		t.Fatalf("%d examples, want %d", len(examples), len(said))
	}
	for i, example := range examples {
		message, err := hex.DecodeString(string(example[1]))
		if err != nil || !bytes.Equal(message, said[i]) {
			t.Errorf("example %d is %s, want %x (%v)", i+1, example[1], said[i], err)
		}
	}
	if got, err := readHave(said[0]); err != nil || got != have {
		t.Errorf("have is read as %+v, %v", got, err)
	}
	numbers := []int64{}
	if err := readPackets(said[2], func(p *packet.Packet) { numbers = append(numbers, p.Number) }); err != nil || len(numbers) != 2 || numbers[1] != 1201 {
		t.Errorf("packets are read as %v, %v", numbers, err)
	}
}
