package signaling

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gasso/net/packet"
)

func every() []Message {
	half, centre, mute := -6.5, 0.0, true
	publication := Publication{
		ParticipantID: "p1", ID: packet.PublicationID{1, 2, 3}, Generation: 1,
		Channels: 2, FrameSamples: 240, LookAheadSamples: 120, Music: true,
		DelaySamples: 420, ClockErrorSamples: 96,
	}
	participant := Participant{ID: "p1", Name: "明", Role: RoleHost, Topology: TopologyAuto, Receive: ReceiveTracks, Publication: &publication}
	strip := StripChanged{ParticipantID: "p1", GainDB: -3, Pan: 0.5, Mute: true}
	options := TransportOptions{ICEServers: []ICEServer{{URLs: []string{"stun:example.org"}, Username: "u", Credential: "c"}}, Loopback: true}
	return []Message{
		&JoinRoom{Protocol: 1, RoomID: "demo", UserID: "Aki", Role: RoleHost, Token: "t", Topology: TopologySFU, Receive: ReceiveMix, Resume: &Resume{ParticipantID: "p1", Secret: "s", Link: "l"}, DataChannels: true},
		&Joined{
			Protocol: 1, ParticipantID: "p2", ResumeSecret: "s", Resumed: true, Role: RolePerformer, Room: Room{ID: "demo", Title: "Demo"},
			Participants: []Participant{participant}, Strips: []StripChanged{strip}, OnAir: OnAirState{Live: true}, TransportOptions: options,
		},
		&ParticipantJoined{Participant: participant},
		&ParticipantLeft{ParticipantID: "p1", Reason: LeftByTimeout},
		&Signal{To: ServerID, Link: "l", Description: &Description{Type: "offer", SDP: "v=0\r\n"}},
		&Signal{From: "p1", Link: "l", Candidate: &Candidate{Candidate: "candidate:1", SDPMid: "0", UsernameFragment: "u"}},
		&Signal{To: "p1", Link: "l", Renegotiate: &Renegotiate{Reason: "r", Restart: true}},
		&options, &publication,
		&Forwarding{ParticipantID: "p1", Level: ForwardOff},
		&ReceiveSet{Receive: ReceiveMix},
		&Forwarding{ParticipantID: "p1", Level: ForwardStandby},
		&StripSet{ParticipantID: "p1", GainDB: &half, Pan: &centre, Mute: &mute},
		&strip, &OnAir{Live: true},
		&OnAirState{Live: true, SinceUnixMS: 1, ListenerURL: "http://localhost/room/demo", Listeners: 3, Problem: "none"},
		&Levels{Strips: []Level{{ParticipantID: "p1", PeakDB: -1, RMSDB: -20}}, Program: Level{PeakDB: -2, RMSDB: -22}},
		&Chat{From: "p1", Name: "Aki", Text: "<b>一、二\"</b>", UnixMS: 5},
		&ClockPing{ID: 7}, &ClockPong{ID: 7, ReceivedNS: 1 << 60, AnsweredNS: 1<<60 + 1},
		&LinkReport{Links: []LinkState{{ParticipantID: "p1", Heard: true, UpLost: 0.25, DownLost: 0.5}}},
		&Leave{}, &Closed{Reason: ClosedDrain, Text: "bye", ReconnectAfterMS: 500}, &Rejoin{Reason: RejoinGone, RetryAfterMS: 20},
		&Error{Code: CodeFull, Message: "m", Next: "n", Fatal: true, RetryAfter: 5, About: "join-room"},
	}
}

func TestEveryMessageSurvivesTheWire(t *testing.T) {
	for _, m := range every() {
		payload, err := Encode(m)
		if err != nil {
			t.Fatalf("%s: %v", m.Type(), err)
		}
		var head struct{ Type string }
		if err := json.Unmarshal(payload, &head); err != nil || head.Type != m.Type() {
			t.Errorf("%s: type on the wire is %q (%v)", m.Type(), head.Type, err)
		}
		back, err := Decode(payload)
		if err != nil {
			t.Errorf("%s: %v", m.Type(), err)
		} else if !reflect.DeepEqual(back, m) {
			t.Errorf("%s: got %+v, want %+v", m.Type(), back, m)
		}
	}
}

func TestDecodeSaysWhatItRefuses(t *testing.T) {
	long := strings.Repeat("x", 200)
	cases := map[string]struct{ payload, code, about string }{
		"nothing":             {"", CodeMalformed, ""},
		"not JSON":            {"hello", CodeMalformed, ""},
		"cut off":             {`{"type":"chat","text":"a`, CodeMalformed, ""},
		"a list":              {`[{"type":"chat"}]`, CodeMalformed, ""},
		"null":                {"null", CodeUnknownType, ""},
		"two objects":         {`{"type":"leave"}{"type":"leave"}`, CodeMalformed, ""},
		"not UTF-8":           {"{\"type\":\"chat\",\"text\":\"\xff\"}", CodeMalformed, ""},
		"type is a number":    {`{"type":3}`, CodeMalformed, ""},
		"no type":             {`{"text":"a"}`, CodeUnknownType, ""},
		"unknown type":        {`{"type":"dance"}`, CodeUnknownType, "dance"},
		"wrong field type":    {`{"type":"chat","text":3}`, CodeMalformed, "chat"},
		"number too large":    {`{"type":"publication","id":"0102030405060708","generation":256}`, CodeMalformed, "publication"},
		"bad publication id":  {`{"type":"publication","id":"xyz"}`, CodeMalformed, "publication"},
		"too large":           {`{"type":"chat","text":"` + strings.Repeat("a", MaxMessageBytes) + `"}`, CodeTooLarge, ""},
		"unknown role":        {`{"type":"join-room","role":"king"}`, CodeBadValue, "join-room"},
		"unknown topology":    {`{"type":"join-room","topology":"ring"}`, CodeBadValue, "join-room"},
		"unknown receive":     {`{"type":"join-room","receive":"all"}`, CodeBadValue, "join-room"},
		"long room id":        {`{"type":"join-room","roomId":"` + long + `"}`, CodeBadValue, "join-room"},
		"long secret":         {`{"type":"join-room","resume":{"secret":"` + long + `"}}`, CodeBadValue, "join-room"},
		"empty signal":        {`{"type":"signal","to":"server"}`, CodeBadValue, "signal"},
		"signal of two kinds": {`{"type":"signal","candidate":{},"renegotiate":{}}`, CodeBadValue, "signal"},
		"odd description":     {`{"type":"signal","description":{"type":"rollback"}}`, CodeBadValue, "signal"},
		"odd level":           {`{"type":"forwarding","level":"loud"}`, CodeBadValue, "forwarding"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := Decode([]byte(c.payload))
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("got %v and %v, want a refusal", m, err)
			}
			if refused.Code != c.code || refused.About != c.about || refused.Message == "" || refused.Next == "" {
				t.Errorf("got %+v, want code %s about %q, and words", refused, c.code, c.about)
			}
		})
	}
}

func TestDecodeIgnoresFieldsThatItDoesNotKnow(t *testing.T) {
	m, err := Decode([]byte(`{"text":"a","colour":"red","type":"chat"}`))
	if chat, ok := m.(*Chat); err != nil || !ok || chat.Text != "a" {
		t.Fatalf("got %v and %v", m, err)
	}
}

func TestEncodeRefusesWhatNobodyWouldAccept(t *testing.T) {
	if _, err := Encode(&Chat{Text: strings.Repeat("a", MaxMessageBytes)}); err == nil {
		t.Error("a message above the limit was encoded")
	}
}

// TestProtocolDocumentExamples keeps docs/protocol.md true: every example parses, keeps each of its
// fields, and there is one for every type.
func TestProtocolDocumentExamples(t *testing.T) {
	document, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, found := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(document, -1) {
		example := found[1]
		m, err := Decode(example)
		if err != nil {
			t.Errorf("%s\n%v", example, err)
			continue
		}
		shown[m.Type()] = true
		encoded, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if json.Unmarshal(example, &want) != nil || json.Unmarshal(encoded, &got) != nil || !contains(got, want) {
			t.Errorf("the example has fields that the message doesn't:\n%s\n%s", example, encoded)
		}
	}
	for _, m := range every() {
		if !shown[m.Type()] {
			t.Errorf("docs/protocol.md has no example of %s", m.Type())
		}
	}
}

// contains tells whether got has all that want has.
func contains(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		for key, value := range want {
			if !ok || !contains(object[key], value) {
				return false
			}
		}
		return ok
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return false
		}
		for i := range want {
			if !contains(list[i], want[i]) {
				return false
			}
		}
		return true
	case bool: // false may be left out
		return got == want || got == nil && !want
	}
	return reflect.DeepEqual(got, want)
}

func FuzzDecode(f *testing.F) {
	for _, m := range every() {
		payload, err := Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte(`{"type":"signal"}`))
	f.Add([]byte(`{"type":"join-room","resume":null}`))
	f.Add([]byte(`{"type":"publication","id":"\ud800"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := Decode(payload)
		if err != nil {
			var refused *Error
			if m != nil || !errors.As(err, &refused) || refused.Code == "" {
				t.Fatalf("got %v and %v", m, err)
			}
			if _, err := Encode(refused); err != nil {
				t.Fatalf("the refusal cannot be sent: %v", err)
			}
			return
		}
		again, err := Encode(m)
		if err != nil {
			return // escapes made it longer than a message may be
		}
		back, err := Decode(again)
		if err != nil || !reflect.DeepEqual(m, back) {
			t.Fatalf("%s became %+v and %v", again, back, err)
		}
	})
}
