package room

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"gasso/net/signaling"
)

// floodOf is a performer that sends one text again and again until the server ends the connection, and
// what it was answered.
func (s *server) floodOf(n int, text func(i int) string) (codes map[string]int64, sent int) {
	s.t.Helper()
	ws := s.raw()
	payload, err := signaling.Encode(performAs(signaling.TopologySFU, signaling.ReceiveTracks))
	if err != nil || ws.WriteMessage(websocket.TextMessage, payload) != nil {
		s.t.Fatal("join-room not sent")
	}
	codes, done := map[string]int64{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, payload, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if m, err := signaling.Decode(payload); err == nil {
				if e, ok := m.(*signaling.Error); ok && e.Message != "" {
					codes[e.Code]++
				}
			}
		}
	}()
	for sent < n && ws.WriteMessage(websocket.TextMessage, []byte(text(sent))) == nil {
		sent++
	}
	<-done
	return codes, sent
}

// 10^5 candidates, and session descriptions of 10^5 lines, are refused in words and counted; who goes on
// is put out, and the others hear each other as before.
func TestFloodsOfSignalsAreRefusedAndTheOthersGoOn(t *testing.T) {
	const many = 100_000
	s := newMediaServer(t, nil)
	a, b := s.perform(performAs(signaling.TopologySFU, signaling.ReceiveTracks)), s.perform(performAs(signaling.TopologySFU, signaling.ReceiveTracks))
	start(t, a, b)
	s.await("a hears b", func() bool { return a.count(b.joined.ParticipantID) > 5 })
	for name, c := range map[string]struct {
		text  func(i int) string
		codes []string
	}{
		"candidates": {func(i int) string {
			return fmt.Sprintf(`{"type":"signal","to":"server","candidate":{"candidate":"candidate:%d 1 udp 1 169.254.169.254 %d typ host"}}`, i, 1+i%65535)
		}, []string{signaling.CodeBadMedia, signaling.CodeRate}},
		"lines": {func(int) string {
			return `{"type":"signal","to":"server","description":{"type":"offer","sdp":"v=0\r\n` + strings.Repeat(`a=x\r\n`, many) + `"}}`
		}, []string{signaling.CodeTooLarge, signaling.CodeRate}},
	} {
		before := s.reg.Refusals().ByCode
		codes, sent := s.floodOf(many, c.text)
		after, told := s.reg.Refusals().ByCode, int64(0)
		for _, code := range c.codes {
			told += after[code] - before[code]
			if codes[code] > after[code]-before[code] {
				t.Errorf("%s: %d answers %s, %d counted", name, codes[code], code, after[code]-before[code])
			}
		}
		if told < patience || sent == many {
			t.Errorf("%s: %d refused, %d sent", name, told, sent)
		}
		if len(codes) == 0 {
			t.Errorf("%s: nothing was answered", name)
		}
	}
	had := a.count(b.joined.ParticipantID)
	s.await("a goes on hearing b", func() bool { return a.count(b.joined.ParticipantID) > had+50 })
}
