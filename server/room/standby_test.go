package room

import (
	"testing"

	"gasso/net/signaling"
)

// What a participant wanted forwarded holds for one connection: whoever resumes is sent everything until it says
// so again, over the link that was kept as over a new one.
func TestForwardingLevelsHoldForOneConnection(t *testing.T) {
	for _, level := range []string{signaling.ForwardStandby, signaling.ForwardOff} {
		for _, keep := range []bool{true, false} {
			s := newMediaServer(t, nil)
			a := s.perform(performAs(signaling.TopologySFU, ""))
			b := s.perform(performAs(signaling.TopologySFU, ""))
			c := s.perform(performAs(signaling.TopologySFU, ""))
			idA, idC := a.joined.ParticipantID, c.joined.ParticipantID
			start(t, a, b, c)
			s.await("b hears both", func() bool { return b.count(idA) > 20 && b.count(idC) > 20 })
			silent := func() bool {
				before, others := b.count(idA), b.count(idC)
				s.await("the other one flows on", func() bool { return b.count(idC) > others+20 })
				return b.count(idA) == before
			}
			b.send(&signaling.Forwarding{ParticipantID: idA, Level: level})
			s.await("a is not forwarded", silent)

			_ = b.conn.Close(nil)
			b.ended.Wait()
			s.await("the loss is known", func() bool { return !s.room.mustStatus(t).Participants[1].Connected })
			if !silent() {
				t.Errorf("%s, link kept %v: a is forwarded before b is back", level, keep)
			}
			m := b.resume()
			m.Topology = signaling.TopologySFU
			if keep {
				m.Resume.Link = b.currentLink().ID()
			}
			b.continueAs(s.join(m))
			before := b.count(idA)
			s.await("a is forwarded to who resumed", func() bool { return b.count(idA) > before+50 })

			b.send(&signaling.Forwarding{ParticipantID: idA, Level: level})
			s.await("a is not forwarded once that is said again", silent)
		}
	}
}
