package session

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"gasso/audio/audiotest"
	"gasso/audio/device"
	"gasso/audio/jitter"
	"gasso/audio/ring"
)

// fakeRender is a loudspeaker that takes what the test says.
type fakeRender struct {
	device.Render
	pcm       *ring.Ring
	wake      chan struct{}
	period    int
	name      string
	underruns atomic.Int64
	taken     atomic.Int64 // samples, zeros for underruns included
	closed    chan struct{}
}

func newFakeRender(period int) *fakeRender {
	return &fakeRender{pcm: ring.New(4096, 2), wake: make(chan struct{}, 1), period: period, name: "fake", closed: make(chan struct{})}
}

func (f *fakeRender) Ring() *ring.Ring      { return f.pcm }
func (f *fakeRender) Stamp() ring.Stamp     { return ring.Stamp{Frames: f.taken.Load()} }
func (f *fakeRender) Wake() <-chan struct{} { return f.wake }
func (f *fakeRender) Info() device.Format {
	return device.Format{PeriodSamples: f.period, Name: f.name}
}
func (f *fakeRender) Stats() device.Stats { return device.Stats{Underruns: f.underruns.Load()} }
func (f *fakeRender) Close() error        { close(f.closed); return nil }

func newTestPlayout(t *testing.T) *playout {
	t.Helper()
	p, err := newPlayout("null", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheLoudspeakerIsKeptAheadAsFarAsItNeeds(t *testing.T) {
	p := newTestPlayout(t)
	f := newFakeRender(240)
	f.underruns.Store(3) // from before it was adopted
	now := time.Unix(1000, 0)
	p.adopt(f, now)
	check := func(what string, want int) {
		t.Helper()
		p.fillRing(f, now)
		if got := f.pcm.Len(); got != want {
			t.Errorf("%s: %d samples ahead, want %d", what, got, want)
		}
		f.pcm.Skip(f.pcm.Len())
	}
	check("at first", 240)
	for i := range 100 {
		f.underruns.Add(2)
		check("underrun", 240+min((i+1)*reserveStep, reserveMost))
	}
	now = now.Add(calmAtFirst)
	check("not calm for long enough", 240+reserveMost)
	for extra := reserveMost; extra > 0; {
		extra = max(0, extra-max(reserveStep, extra/4))
		now = now.Add(calmAtFirst + 1)
		check("calm", 240+extra)
	}
	now = now.Add(calmAtFirst + 1)
	check("never less than a period", 240)
	f.underruns.Add(1)
	check("too little after all", 240+reserveStep)
	now = now.Add(calmAtFirst + 1)
	check("the next try comes later", 240+reserveStep)
	now = now.Add(calmAtFirst)
	check("calm again", 240)
	p.leastAdd.Store(100)
	check("as the mode wants", 340)

	large := newFakeRender(2048) // wants more than its ring holds
	p.adopt(large, now)
	for range 20 {
		large.underruns.Add(1)
		p.fillRing(large, now)
	}
	if large.pcm.Dropped() != 0 {
		t.Errorf("%d samples did not fit", large.pcm.Dropped())
	}
}

func TestTheReserveKnowsDevicesAndLateness(t *testing.T) {
	p, now := newTestPlayout(t), time.Unix(1000, 0)
	needy, other := newFakeRender(60), newFakeRender(60)
	other.name = "other"
	p.adopt(needy, now)
	needy.underruns.Add(1)
	p.fillRing(needy, now)
	p.adopt(other, now)
	p.fillRing(other, now)
	p.adopt(needy, now)
	needy.pcm.Skip(needy.pcm.Len())
	p.fillRing(needy, now)
	if a, b := needy.pcm.Len(), other.pcm.Len(); a != 60+reserveStep || b != 60 {
		t.Errorf("%d samples ahead of a device that starved once, %d of another", a, b)
	}

	var r reserve
	r.begin(0, 0, now)
	if got := r.samples(60, 0, 0, now); got != 60 {
		t.Errorf("%d samples for a device that needs a period", got)
	}
	r.note(time.Millisecond, now)
	if got := r.samples(60, 0, 0, now); got != 60 {
		t.Errorf("%d samples when 12 were left at worst", got)
	}
	r.note(3*time.Millisecond, now)
	if got, want := r.samples(60, 0, 0, now), int64(144+reserveGuard); got != want {
		t.Errorf("%d samples ahead of a playout that comes 3 ms late, want %d", got, want)
	}
	for range 20 {
		now = now.Add(calmAtFirst + lateWindow + 1)
		r.note(0, now)
		r.samples(60, 0, 0, now)
	}
	if got := r.samples(60, 0, 0, now); got != 60 {
		t.Errorf("%d samples after a calm while", got)
	}
	r.note(time.Hour, now)
	if got := r.samples(60, 0, 0, now); got != reserveLate+60 {
		t.Errorf("%d samples after an hour's sleep", got)
	}
}

func TestWhatTheLoudspeakerMissedIsNotHeardLater(t *testing.T) {
	p, now := newTestPlayout(t), time.Unix(1_000_000, 0)
	voice := newPerformer("a")
	performers := []*performer{voice}
	p.performers.Store(&performers)
	k := newTalker(t, 0, 400, 1_000_000)
	if err := voice.addVoice(&k.publication, ModeLive); err != nil {
		t.Fatal(err)
	}
	voice.deliver(jitter.PathDirect, k.next(), now)
	f := newFakeRender(60)
	f.taken.Store(600) // before it was adopted
	p.adopt(f, now)
	played := func() int64 { return (*voice.voices.Load())[0].player.Stats().PlayedSamples }
	take := func(samples int64) (mixed int64) {
		before := played()
		f.pcm.Skip(int(samples))
		f.taken.Add(samples)
		p.fillRing(f, now)
		return played() - before
	}
	take(0)
	if got := take(60); got != 60 {
		t.Errorf("%d samples mixed after 60 were taken", got)
	}
	if got := take(200); got != 200 { // of which there were 60
		t.Errorf("%d samples mixed after 200 were played", got)
	}
	if got := f.pcm.Len(); got != 60 {
		t.Errorf("%d samples are ahead", got)
	}
	if got := take(60 + mostSkipped + 1); got != 60 {
		t.Errorf("%d samples mixed after a long sleep", got)
	}
}

func TestPlayoutFollowsASwappedDevice(t *testing.T) {
	p := newTestPlayout(t)
	first, second := newFakeRender(240), newFakeRender(480)
	p.swap(first)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { p.run(ctx); close(ended) }()
	until(t, "first is filled", func() bool { return first.pcm.Len() == 240 })
	p.swap(second)
	<-first.closed
	until(t, "second is filled", func() bool { return second.pcm.Len() == 480 })
	second.pcm.Skip(240)
	second.wake <- struct{}{}
	until(t, "second is filled again", func() bool { return second.pcm.Len() == 480 })
	p.close()
	<-second.closed
	<-ended // without a device there is nothing to do
	cancel()
	p.close() // twice does no harm
}

func TestPlayoutFrameAllocatesNothing(t *testing.T) {
	p := newTestPlayout(t)
	performers := []*performer{newPerformer("a"), newPerformer("b"), newPerformer("silent")}
	p.performers.Store(&performers)
	now := time.Unix(1_000_000, 0)
	for i, performer := range performers[:2] {
		k := newTalker(t, 0, 400*float64(i+1), 1_000_000)
		old := newTalker(t, 1, 300, 1_000_000)
		for _, k := range []*talker{old, k} {
			if err := performer.addVoice(&k.publication, ModeLive); err != nil {
				t.Fatal(err)
			}
		}
		for range 400 {
			performer.deliver(jitter.PathDirect, k.next(), now)
		}
	}
	now = now.Add(2 * time.Second)
	audiotest.CheckNoAllocs(t, func() {
		p.playoutFrame(playoutFrameSamples, now)
		now = now.Add(time.Second * playoutFrameSamples / device.Rate)
	})
}
