package session

import (
	"slices"
	"testing"
	"time"

	"gasso/net/peer"
	"gasso/net/signaling"
)

func loses(ratio float64) lossFigure { return lossFigure{ratio: ratio, known: true} }

func seen(up, down float64) serverView {
	return serverView{known: true, heard: true, up: up, down: down}
}

// well is a performer with whom all is well on both ways.
func well(id string, change func(*theirFigures)) theirFigures {
	o := theirFigures{id: id, name: "of " + id, direct: loses(0), forwarded: loses(0), reached: loses(0), need: 8 * time.Millisecond, server: seen(0, 0)}
	if change != nil {
		change(&o)
	}
	return o
}

func TestDiagnosisNamesTheSide(t *testing.T) {
	type found struct {
		kind FindingKind
		id   string
	}
	for _, c := range []struct {
		name string
		f    figures
		want []found
	}{
		{"all well", figures{publishing: true, server: seen(0, 0), others: []theirFigures{well("a", nil), well("b", nil)}}, nil},
		{"nothing is known", figures{others: []theirFigures{{id: "a"}}}, nil},
		{"their upload", figures{server: seen(0, 0), others: []theirFigures{
			well("a", func(o *theirFigures) { o.server.up, o.direct, o.forwarded = 0.05, loses(0.05), loses(0.05) }), well("b", nil)}}, []found{{TheirUpload, "a"}}},
		{"their way to the server alone", figures{server: seen(0, 0), others: []theirFigures{
			well("a", func(o *theirFigures) { o.server.up, o.forwarded = 0.05, loses(0.05) })}}, nil},
		{"their upload, through the server alone", figures{server: seen(0, 0), others: []theirFigures{
			well("a", func(o *theirFigures) { o.server.up, o.direct, o.forwarded = 0.05, lossFigure{}, loses(0.05) })}}, []found{{TheirUpload, "a"}}},
		{"own download", figures{server: seen(0, 0.06), others: []theirFigures{
			well("a", func(o *theirFigures) { o.direct, o.forwarded = loses(0.06), loses(0.05) }),
			well("b", func(o *theirFigures) { o.direct, o.forwarded = loses(0.04), loses(0.05) })}}, []found{{OwnDownload, ""}}},
		{"own download with one performer, as the server sees", figures{server: seen(0, 0.06), others: []theirFigures{
			well("a", func(o *theirFigures) { o.direct, o.forwarded = loses(0.06), loses(0.05) })}}, []found{{OwnDownload, ""}}},
		{"own download and their upload", figures{server: seen(0, 0.05), others: []theirFigures{
			well("a", func(o *theirFigures) { o.server.up, o.direct, o.forwarded = 0.1, loses(0.15), loses(0.15) }),
			well("b", func(o *theirFigures) { o.direct, o.forwarded = loses(0.05), loses(0.05) })}}, []found{{OwnDownload, ""}, {TheirUpload, "a"}}},
		{"the way between", figures{server: seen(0, 0), others: []theirFigures{
			well("a", func(o *theirFigures) { o.direct = loses(0.08) }), well("b", nil)}}, []found{{BetweenLost, "a"}}},
		{"own upload", figures{server: seen(0.04, 0), others: []theirFigures{
			well("a", func(o *theirFigures) { o.reached = loses(0.05) })}}, []found{{OwnUpload, ""}}},
		{"own way to the server alone", figures{server: seen(0.04, 0), others: []theirFigures{well("a", nil)}}, nil},
		{"own upload is short, which is said already", figures{uplinkShort: true, server: seen(0.1, 0)}, nil},
		{"own download is short, which is said already", figures{downShort: true, server: seen(0, 0.1), others: []theirFigures{
			well("a", func(o *theirFigures) { o.direct, o.forwarded = loses(0.2), loses(0.2) })}}, nil},
		{"unheard", figures{publishing: true, server: serverView{known: true}}, []found{{OwnUnheard, ""}}},
		{"unheard, for nothing is sent", figures{server: serverView{known: true}}, nil},
		{"they are silent everywhere", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.silent, o.server.heard = true, false })}}, []found{{TheirUnheard, "a"}}},
		{"they are silent here", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.silent = true })}}, []found{{BetweenDead, "a"}}},
		{"silent, and the server says nothing", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.silent, o.server = true, serverView{} })}}, nil},
		{"they stumble", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.need = 80 * time.Millisecond }), well("b", nil)}}, []found{{TheirDevice, "a"}}},
		{"everybody is late", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.need = 80 * time.Millisecond }), well("b", func(o *theirFigures) { o.need = 60 * time.Millisecond })}}, []found{{OwnLate, ""}}},
		{"everybody is late since this computer stumbles", figures{stalled: 90 * time.Millisecond, captureLate: 90 * time.Millisecond, others: []theirFigures{
			well("a", func(o *theirFigures) { o.need = 80 * time.Millisecond }), well("b", func(o *theirFigures) { o.need = 60 * time.Millisecond })}}, []found{{OwnComputer, ""}}},
		{"the own microphone is late", figures{stalled: 90 * time.Millisecond, captureLate: 90 * time.Millisecond, others: []theirFigures{well("a", nil)}}, []found{{OwnCapture, ""}}},
		{"the own loudspeaker is late, and there is no server", figures{stalled: 90 * time.Millisecond, renderLate: 90 * time.Millisecond}, []found{{OwnRender, ""}}},
		{"devices are late as they may be", figures{stalled: lateDevice, renderLate: lateDevice, captureLate: lateDevice}, nil},
		{"everybody is late since this computer is busy", figures{busy: true, others: []theirFigures{
			well("a", func(o *theirFigures) { o.need = 80 * time.Millisecond }), well("b", func(o *theirFigures) { o.need = 60 * time.Millisecond })}}, nil},
		{"one is late and nobody else is there", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.need = 80 * time.Millisecond })}}, nil},
		{"their download", figures{others: []theirFigures{
			well("a", func(o *theirFigures) { o.server.down = 0.07 })}}, []found{{TheirDown, "a"}}},
	} {
		var got []found
		for _, f := range diagnose(c.f) {
			got = append(got, found{f.Kind, f.ParticipantID})
			if (f.ParticipantID != "") != (f.Name != "") {
				t.Errorf("%s: %+v", c.name, f)
			}
			switch f.Kind {
			case OwnCapture, OwnRender, OwnComputer:
				if f.Late != 90*time.Millisecond {
					t.Errorf("%s: late by %v", c.name, f.Late)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, got, c.want)
		}
	}
}

// counting is a track with counts of its own.
type counting struct{ peer.SubscriberCounters }

func (c *counting) Counters() peer.SubscriberCounters { return c.SubscriberCounters }
func (*counting) Request(uint8, []int64)              {}
func (*counting) Decline(time.Duration)               {}

func TestLossesAreThoseOfTheLastSecondsOnOneTrack(t *testing.T) {
	var h lossHistory
	track := &counting{}
	s := &source{track}
	now := time.Now()
	step := func(expected, lost int64) lossFigure {
		now = now.Add(housekeeping)
		track.Expected += expected
		track.Lost += lost
		h.note(s, now)
		return h.figure()
	}
	if step(1000, 500).known {
		t.Error("one count says something")
	}
	for range 10 {
		step(100, 10)
	}
	if got := step(100, 10); !got.known || got.ratio < 0.099 || got.ratio > 0.101 || !got.lossy() {
		t.Errorf("loss is %+v, want 0.1", got)
	}
	for range 12 {
		step(100, 0)
	}
	if got := step(100, 0); !got.clean() || len(h.counts) > 13 {
		t.Errorf("loss is %+v after a while, from %d counts", got, len(h.counts))
	}
	s = &source{&counting{}}
	h.note(s, now)
	if h.figure().known {
		t.Error("another track goes on with the counts of the one before")
	}
	h.note(nil, now)
	if len(h.counts) != 0 {
		t.Error("a path without a track has counts")
	}
}

func TestReportsOfTheServerGetOld(t *testing.T) {
	now := time.Now()
	r := newLinkReport(&signaling.LinkReport{Links: []signaling.LinkState{{ParticipantID: "a", Heard: true, UpLost: 0.5, DownLost: 0.25}}}, now)
	if got := r.view("a", now.Add(time.Second)); got != (serverView{true, true, 0.5, 0.25}) {
		t.Errorf("view is %+v", got)
	}
	if r.view("b", now).known || r.view("a", now.Add(time.Minute)).known {
		t.Error("what is unknown or old counts")
	}
}
