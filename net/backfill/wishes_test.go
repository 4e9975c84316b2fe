package backfill

import (
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"gasso/net/packet"
)

// trickle plays live sound of which every 20th packet gets lost, for so long.
func (x *exchange) trickle(d time.Duration, each func()) {
	for end := x.now.Add(d); x.now.Before(end); x.step() {
		about := x.spool.make(pubA, startTime, int64(x.now.Sub(startTime)/(5*time.Millisecond)))
		if n := about.count - 1; n >= 0 && n%20 != 0 && x.book(pubA).newest < n {
			x.book(pubA).take(n, about.sample(n))
		}
		each()
	}
}

func TestALostWishIsRepeatedWhileOthersAreAnswered(t *testing.T) {
	x := newExchange(t, newSpool(pubA), time.Second)
	x.connect()
	x.trickle(2*time.Second, func() {})
	lost := 0
	x.trickle(500*time.Millisecond, func() {
		for i, l := range x.down {
			if l.message[0] == kindWant {
				x.down = append(x.down[:i:i], x.down[i+1:]...)
				lost++
				break
			}
		}
	})
	if lost == 0 {
		t.Fatal("there was no wish to lose")
	}
	last := x.spool.about[pubA].count - 1
	x.trickle(2*(wishAge+2*x.delay)+time.Second, func() {})
	if !x.books[pubA].arrived.Covers(Range{0, last}) {
		t.Errorf("of the numbers up to %d there are %v", last, x.books[pubA].arrived.Ranges())
	}
	if s := x.requester.Stats(); s.Strays > s.Packets/20 {
		t.Errorf("too much came twice: %+v", s)
	}
}

func TestWhatCameByItselfIsNotWaitedFor(t *testing.T) {
	x := newExchange(t, newSpool(pubA), time.Second)
	x.connect()
	about := x.spool.make(pubA, startTime, 200)
	x.now = startTime.Add(2 * time.Second)
	x.spare = 0 // live media takes all
	x.until("the wish", time.Second, func() bool { return x.sender.Stats().Waiting == 200 })
	for n := range int64(200) { // late, but live
		x.book(pubA).take(n, about.sample(n))
	}
	x.until("nobody waits", 2*time.Second, func() bool {
		return x.requester.Stats().Waiting == 0 && x.sender.Stats().Waiting == 0
	})
	if h := x.requester.publications[pubA]; h.program.len()+h.archive.len() != 0 {
		t.Errorf("%d numbers are still being aged", h.program.len()+h.archive.len())
	}
}

func TestASlowUplinkIsNotAskedForTheSameAgainAndAgain(t *testing.T) {
	x := outage(t, 60*time.Second, time.Second)
	x.spare = 4000 // bytes a second, half of it for the archive
	wishes := 0
	for end := x.now.Add(2 * time.Minute); x.now.Before(end); x.step() {
		for _, l := range x.down {
			if l.message[0] == kindWant && l.at.Equal(x.now.Add(x.delay)) {
				wishes++
			}
		}
	}
	if s := x.requester.Stats(); wishes > 20 || s.Strays > s.Packets/20 || s.Packets < 2000 {
		t.Errorf("%d wishes, %+v", wishes, s)
	}
}

func TestASpoolThatCannotBeReadNowLosesNothing(t *testing.T) {
	x := outage(t, 5*time.Second, time.Second)
	x.spool.broken = syscall.EMFILE
	for end := x.now.Add(2 * time.Second); x.now.Before(end); x.step() {
	}
	if s := x.sender.Stats(); s.GonePackets != 0 {
		t.Fatalf("%d packets are told to be gone", s.GonePackets)
	}
	x.spool.broken = nil
	x.until("everything", 40*time.Second, func() bool { return x.books[pubA].arrived.Len() == 1000 })
	if s := x.requester.Stats(); s.Gone != 0 {
		t.Errorf("%+v", s)
	}
}

func manyPublications(n int) (ids []packet.PublicationID) {
	for i := range n {
		id := packet.PublicationID{7}
		binary.BigEndian.PutUint32(id[4:], uint32(i))
		ids = append(ids, id)
	}
	return ids
}

// TestALongShowMakesMorePublicationsThanAreRemembered has one encoder's life after the other, some of
// which end before the app tells it.
func TestALongShowMakesMorePublicationsThanAreRemembered(t *testing.T) {
	ids := manyPublications(2000)
	x := newExchange(t, newSpool(), time.Second)
	x.connect()
	for i, id := range ids {
		x.spool.pubs = append(x.spool.pubs, id)
		about := x.spool.make(id, x.now, 10)
		for n := range int64(10) {
			if n != 4 {
				x.book(id).take(n, about.sample(n))
			}
		}
		for range 40 {
			x.step()
		}
		about.ended = i%3 > 0
	}
	x.until("everything", time.Minute, func() bool {
		for _, id := range ids {
			if x.books[id].arrived.Len() != 10 || !x.spool.about[id].held.Empty() {
				return false
			}
		}
		return true
	})
	for range 600 { // some rounds of telling
		x.step()
	}
	for _, h := range x.requester.order {
		if h.have.Ended {
			t.Fatalf("publication %v has ended, is complete and remembered", h.have.Publication)
		}
	}
	if s := x.requester.Stats(); s.Refused != 0 {
		t.Errorf("%+v", s)
	}
	if n := len(x.requester.order); n > maxPublications || len(x.sender.told) > maxPublications || len(x.sender.asked) > maxPublications {
		t.Errorf("%d, %d and %d are remembered", n, len(x.sender.told), len(x.sender.asked))
	}
}

// TestWhatGoesOnIsNotBehindWhatIsLeft has an app come back with more publications than may be told.
func TestWhatGoesOnIsNotBehindWhatIsLeft(t *testing.T) {
	ids := append(manyPublications(1000), pubA)
	x := newExchange(t, newSpool(ids...), time.Second)
	for i, id := range ids[:1000] {
		x.spool.make(id, startTime.Add(time.Duration(i)*50*time.Millisecond), 10).ended = true
	}
	x.now = startTime.Add(time.Minute)
	x.spool.make(pubA, x.now.Add(-time.Second), 200)
	x.connect()
	x.until("the program's part of what goes on", 2*time.Second, func() bool {
		return x.books[pubA] != nil && x.books[pubA].arrived.Len() > 50
	})
	x.until("everything", 5*time.Minute, func() bool {
		for _, id := range ids {
			if x.books[id] == nil || x.books[id].arrived.Len() != x.spool.about[id].count {
				return false
			}
		}
		return true
	})
	if s := x.requester.Stats(); s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}
