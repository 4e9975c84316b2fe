//go:build unix

package main

import (
	"bytes"
	"testing"

	"gasso/net/signaling"
)

func TestDescriptionComesBackAsItWent(t *testing.T) {
	sent := &signaling.Signal{Link: "7", Description: &signaling.Description{Type: "answer", SDP: "v=0\r\n"}}
	field, message, err := response(request(requestAnswer, sessionDescription(sent)))
	if err != nil || field != requestAnswer {
		t.Fatalf("field %d, %v", field, err)
	}
	got, err := parseDescription(message)
	if err != nil || got.Link != sent.Link || *got.Description != *sent.Description {
		t.Errorf("got %+v %+v, %v", got, got.Description, err)
	}
}

func TestTrackIsEncodedAsProtobufSays(t *testing.T) {
	want := []byte{0x0a, 1, 'a', 0x12, 1, 'a', 0x40, sourceMicrophone, 0x68, 1}
	if got := addTrack("a"); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestTrickleTellsCandidateAndConnection(t *testing.T) {
	b := appendText(nil, 1, `{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":1}`)
	s, toSubscriber, err := parseTrickle(appendNumber(b, 2, 1))
	if err != nil || !toSubscriber || s.Candidate.SDPMid != "0" || s.Candidate.SDPMLineIndex != 1 {
		t.Errorf("got %+v, %v, %v", s, toSubscriber, err)
	}
	if _, _, err := parseTrickle(nil); err == nil {
		t.Error("no candidate was taken for one")
	}
}

func FuzzResponse(f *testing.F) {
	s := &signaling.Signal{Link: "1", Description: &signaling.Description{Type: "offer", SDP: "v=0\r\n"}}
	f.Add(request(responseOffer, sessionDescription(s)))
	f.Add(request(responseTrickle, appendText(nil, 1, `{"candidate":""}`)))
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, message, err := response(b)
		if err != nil {
			return
		}
		if s, err := parseDescription(message); err == nil && s.Description == nil {
			t.Error("neither a description nor an error")
		}
		if s, _, err := parseTrickle(message); err == nil && s.Candidate == nil {
			t.Error("neither a candidate nor an error")
		}
	})
}
