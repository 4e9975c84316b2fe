//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/encoding/protowire"

	"gasso/net/signaling"
)

// Fields of LiveKit's SignalRequest (livekit_rtc.proto, protocol 9).
const (
	requestOffer    protowire.Number = 1
	requestAnswer   protowire.Number = 2
	requestAddTrack protowire.Number = 4
	requestPing     protowire.Number = 16
)

// Fields of its SignalResponse.
const (
	responseJoin      protowire.Number = 1
	responseAnswer    protowire.Number = 2
	responseOffer     protowire.Number = 3
	responseTrickle   protowire.Number = 4
	responsePublished protowire.Number = 6
	responseLeave     protowire.Number = 8
)

const sourceMicrophone = 2 // of enum TrackSource

// request wraps a message as the field of a SignalRequest.
func request(field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), message)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// sessionDescription encodes SessionDescription: an answer bears the number of its offer.
func sessionDescription(s *signaling.Signal) []byte {
	b := appendText(nil, 1, s.Description.Type)
	b = appendText(b, 2, s.Description.SDP)
	if id, err := strconv.ParseUint(s.Link, 10, 32); err == nil {
		b = appendNumber(b, 3, id)
	}
	return b
}

// addTrack encodes AddTrackRequest for a microphone whose packets are forwarded as they are.
func addTrack(id string) []byte {
	b := appendText(nil, 1, id)
	b = appendText(b, 2, id)
	b = appendNumber(b, 8, sourceMicrophone)
	return appendNumber(b, 13, 1) // no redundant encoding
}

// ping encodes Ping.
func ping(unixMilliseconds int64) []byte { return appendNumber(nil, 1, uint64(unixMilliseconds)) }

// response takes a SignalResponse apart: it is one message, and field says which.
func response(b []byte) (field protowire.Number, message []byte, err error) {
	err = eachField(b, func(n protowire.Number, _ uint64, content []byte) {
		field, message = n, content
	})
	return field, message, err
}

// parseDescription decodes SessionDescription.
func parseDescription(b []byte) (*signaling.Signal, error) {
	s := &signaling.Signal{Description: &signaling.Description{}}
	err := eachField(b, func(n protowire.Number, value uint64, content []byte) {
		switch n {
		case 1:
			s.Description.Type = string(content)
		case 2:
			s.Description.SDP = string(content)
		case 3:
			s.Link = strconv.FormatUint(value, 10)
		}
	})
	return s, err
}

// parseTrickle decodes TrickleRequest; toSubscriber tells which of a participant's two connections it is for.
func parseTrickle(b []byte) (s *signaling.Signal, toSubscriber bool, err error) {
	var text []byte
	err = eachField(b, func(n protowire.Number, value uint64, content []byte) {
		switch n {
		case 1:
			text = content
		case 2:
			toSubscriber = value == 1
		}
	})
	if err != nil {
		return nil, false, err
	}
	var c webrtc.ICECandidateInit
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, false, fmt.Errorf("read candidate: %w", err)
	}
	candidate := &signaling.Candidate{Candidate: c.Candidate}
	if c.SDPMid != nil {
		candidate.SDPMid = *c.SDPMid
	}
	if c.SDPMLineIndex != nil {
		candidate.SDPMLineIndex = *c.SDPMLineIndex
	}
	return &signaling.Signal{Candidate: candidate}, toSubscriber, nil
}

// eachField hands over the fields of a protobuf message: numbers as value, all that has a length as content.
func eachField(b []byte, take func(n protowire.Number, value uint64, content []byte)) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("read message: %w", protowire.ParseError(size))
		}
		b = b[size:]
		var value uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			value, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return fmt.Errorf("read message: %w", protowire.ParseError(size))
		}
		take(n, value, content)
		b = b[size:]
	}
	return nil
}
