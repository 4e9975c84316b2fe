package peer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"gasso/net/signaling"
)

// Bounds of what the other side may send.
const (
	maxDescriptionBytes  = 64 << 10
	maxMediaLines        = 256
	maxCandidateBytes    = 512
	maxCandidates        = 64                // trickled for one description
	maxWays              = 256               // different candidates until the next ICE restart, however they came
	attributeAnswers     = "x-gasso-answers" // session level: the version of the offer that an answer is for
	attributeAnswersLine = "a=" + attributeAnswers + ":"
)

// description is what negotiation needs to know of a checked session description.
type description struct {
	version uint64 // of the origin line: rises with every description of one side
	answers uint64 // the offer's version, if known
	isReply bool   // answers is set

	fingerprint string   // of the certificate (RFC 8122); one for all sections
	iceUser     string   // changes with an ICE restart
	candidates  []string // as lines of the description
}

// checkDescription refuses what is too large, malformed or anything but Opus audio and, on a link with
// data channels, one section for those.
func checkDescription(d *signaling.Description, channels bool) (description, error) {
	if d.Type != "offer" && d.Type != "answer" {
		return description{}, fmt.Errorf("%w: description of type %.20q; send an offer or an answer", ErrBadSignal, d.Type)
	}
	if len(d.SDP) > maxDescriptionBytes {
		return description{}, fmt.Errorf("%w: session description has %d bytes, at most %d are allowed",
			ErrBadSignal, len(d.SDP), maxDescriptionBytes)
	}
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(d.SDP); err != nil {
		return description{}, fmt.Errorf("%w: %v", ErrBadSignal, err)
	}
	if n := len(parsed.MediaDescriptions); n > maxMediaLines {
		return description{}, fmt.Errorf("%w: session description has %d media sections, at most %d are allowed",
			ErrBadSignal, n, maxMediaLines)
	}
	if err := checkMedia(parsed.MediaDescriptions, channels); err != nil {
		return description{}, err
	}
	checked := description{
		version: parsed.Origin.SessionVersion, fingerprint: firstOf(&parsed, "fingerprint"),
		iceUser: firstOf(&parsed, "ice-ufrag"), candidates: candidatesOf(&parsed),
	}
	if value, ok := parsed.Attribute(attributeAnswers); ok {
		version, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return description{}, fmt.Errorf("%w: %s must be a number", ErrBadSignal, attributeAnswers)
		}
		checked.answers, checked.isReply = version, true
	}
	return checked, nil
}

// firstOf is an attribute of the session, else of the first section that has it.
func firstOf(parsed *sdp.SessionDescription, key string) string {
	if value, ok := parsed.Attribute(key); ok {
		return value
	}
	for _, m := range parsed.MediaDescriptions {
		if value, ok := m.Attribute(key); ok {
			return value
		}
	}
	return ""
}

func candidatesOf(parsed *sdp.SessionDescription) (candidates []string) {
	for _, m := range parsed.MediaDescriptions {
		for _, a := range m.Attributes {
			if a.Key == "candidate" {
				candidates = append(candidates, a.Value)
			}
		}
	}
	return candidates
}

// checkMedia wants audio sections, each with Opus unless it is rejected (port 0), and at most one for
// data channels if the link has those.
func checkMedia(media []*sdp.MediaDescription, channels bool) error {
	audio := 0
	for _, m := range media {
		if channels && isChannels(m) {
			channels = false
			continue
		}
		audio++
		if m.MediaName.Media != "audio" {
			return fmt.Errorf("%w: it has a section %.20q; send Opus audio alone", ErrNotAudio, m.MediaName.Media)
		}
		opus := m.MediaName.Port.Value == 0
		for _, a := range m.Attributes {
			opus = opus || a.Key == "rtpmap" && isOpus(a.Value)
		}
		if !opus {
			return fmt.Errorf("%w: an audio section lacks opus/48000/2; send Opus audio", ErrNotAudio)
		}
	}
	if audio == 0 {
		return fmt.Errorf("%w: it has no audio section; send Opus audio", ErrNotAudio)
	}
	return nil
}

// isChannels tells whether a section is an association for data channels (RFC 8841, sections 4 and 5).
func isChannels(m *sdp.MediaDescription) bool {
	if m.MediaName.Media != "application" || strings.Join(m.MediaName.Protos, "/") != "UDP/DTLS/SCTP" {
		return false
	}
	value, found := m.Attribute("sctp-port")
	port, err := strconv.ParseUint(value, 10, 16)
	return found && err == nil && port > 0
}

// isOpus tells whether an rtpmap ("111 opus/48000/2") names Opus (RFC 7587, section 7).
func isOpus(rtpmap string) bool {
	_, codec, ok := strings.Cut(rtpmap, " ")
	return ok && strings.EqualFold(strings.TrimSpace(codec), "opus/48000/2")
}

// checkCandidate bounds a trickled candidate. Parsing is pion's.
func checkCandidate(c *signaling.Candidate) error {
	if n := len(c.Candidate); n > maxCandidateBytes {
		return fmt.Errorf("%w: candidate has %d bytes, at most %d are allowed", ErrBadSignal, n, maxCandidateBytes)
	}
	if len(c.SDPMid) > 64 || len(c.UsernameFragment) > 256 { // RFC 8839, section 5.4: a fragment has up to 256 characters
		return fmt.Errorf("%w: candidate has an overlong mid or username fragment", ErrBadSignal)
	}
	return nil
}

// markAnswer notes in an answer which offer it is for, so that a late copy is not taken for the
// answer to another offer: pion cannot roll back, so offers are repeated until they are answered.
func markAnswer(answer string, offerVersion uint64) string {
	head, media, found := strings.Cut(answer, "\r\nm=")
	if !found {
		return answer
	}
	return head + "\r\n" + attributeAnswersLine + strconv.FormatUint(offerVersion, 10) + "\r\nm=" + media
}
