package peer

import (
	"errors"
	"fmt"

	"github.com/pion/rtp"

	"gasso/net/packet"
)

// maxPacketSamples is the longest Opus packet, 120 ms (RFC 6716, section 3.2.5).
const maxPacketSamples = 5760

var (
	errNoIdentity = errors.New("packet has no identity extension")
	errNotOpus    = errors.New("packet is not Opus")
)

// packetFromRTP fills pk from one RTP packet as it came off the wire. near is room time in samples.
// header is scratch memory; pk.Payload lies in buf. Of a packet of type redType (0: there is none) the
// payload is RED, and Samples stays 0.
func packetFromRTP(pk *packet.Packet, header *rtp.Header, buf []byte, extensionID, redType uint8, near int64) error {
	n, err := header.Unmarshal(buf)
	if err != nil {
		return fmt.Errorf("%w: %v", errNotOpus, err)
	}
	payload, ok := withoutPadding(buf[n:], header.Padding)
	if !ok {
		return errNotOpus
	}
	identity := header.GetExtension(extensionID)
	if extensionID == 0 || len(identity) != packet.ExtensionSize {
		return errNoIdentity
	}
	*pk = packet.Packet{Payload: payload}
	if redType == 0 || header.PayloadType != redType {
		if pk.Samples, ok = opusSamples(payload); !ok {
			return errNotOpus
		}
	}
	return pk.SetIdentity(identity, header.Timestamp, near)
}

// withoutPadding strips RTP padding, whose last byte is its length (RFC 3550, section 5.1).
func withoutPadding(payload []byte, padded bool) ([]byte, bool) {
	if !padded {
		return payload, true
	}
	if len(payload) == 0 {
		return nil, false
	}
	n := int(payload[len(payload)-1])
	if n == 0 || n > len(payload) {
		return nil, false
	}
	return payload[:len(payload)-n], true
}

// opusSamples is the length of an Opus packet in samples at 48 kHz, from its first bytes (RFC 6716,
// section 3.1).
func opusSamples(payload []byte) (samples int, ok bool) {
	if len(payload) == 0 {
		return 0, false
	}
	frames := 1
	switch payload[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(payload) < 2 {
			return 0, false
		}
		frames = int(payload[1] & 0x3f)
	}
	samples = frames * opusFrameSamples(payload[0]>>3)
	return samples, samples > 0 && samples <= maxPacketSamples
}

func opusFrameSamples(configuration byte) int {
	switch {
	case configuration < 12 && configuration&3 == 3: // SILK, 60 ms
		return 2880
	case configuration < 12: // SILK, 10 to 40 ms
		return 480 << (configuration & 3)
	case configuration < 16: // hybrid, 10 or 20 ms
		return 480 << (configuration & 1)
	}
	return 120 << (configuration & 3) // CELT, 2.5 to 20 ms
}
