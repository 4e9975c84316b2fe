package device

import (
	"time"
)

// lookEvery is how often devices are listed. A look costs PulseAudio and us about a millisecond.
const lookEvery = 500 * time.Millisecond

// listing is what a look at the sound system found.
type listing struct {
	devices []found
	backend string // that has them; empty without any
	began   time.Time
}

// has tells whether a device is listed by ID or name.
func (l listing) has(id string) bool {
	_, known := pick(l.devices, id)
	return known
}

// lookout lists the devices of one direction again and again. It keeps its link to the sound system,
// and makes a new one after each failure: the link to a server that was killed lists nothing for good.
type lookout struct {
	worker
	way      direction
	backend  string
	listings chan listing // the newest that was not taken
	link     *link
}

func startLookout(way direction, backend string) *lookout {
	l := &lookout{worker: newWorker(), way: way, backend: backend, listings: make(chan listing, 1)}
	go l.run()
	return l
}

func (l *lookout) run() {
	defer close(l.done)
	defer l.drop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			l.offer(l.look(now))
		}
	}
}

// drop frees the link, which waits for as long as any other link of the process hangs.
func (l *lookout) drop() {
	if l.link == nil {
		return
	}
	_, _ = within(closeWithin, nil, func() (struct{}, error) { // too long is freed later
		l.link.free()
		return struct{}{}, nil
	}, func(struct{}) {})
}

// offer puts a listing in the place of one that nobody took.
func (l *lookout) offer(next listing) {
	select {
	case <-l.listings:
	default:
	}
	l.listings <- next
}

// look lists the devices. A sound system that does not answer keeps the link that it holds; whoever
// waits for it frees that once it answers.
func (l *lookout) look(now time.Time) listing {
	kept := l.link
	l.link = nil
	seen, err := within(openWithin, l.stop, func() (sight, error) { return l.see(kept) }, sight.free)
	if err != nil {
		return listing{began: now}
	}
	l.link = seen.link
	return listing{devices: seen.devices, backend: seen.link.name, began: now}
}

// sight is what was seen, and over which link.
type sight struct {
	link    *link
	devices []found
}

func (s sight) free() { s.link.free() }

// see lists devices over the link that was kept, or else over one to the first sound system that has any.
func (l *lookout) see(kept *link) (sight, error) {
	if kept != nil {
		return kept.see(l.way)
	}
	systems, err := choose(l.backend)
	if err != nil {
		return sight{}, err
	}
	for _, s := range systems {
		fresh, err := s.connect()
		if err != nil {
			continue
		}
		if seen, err := fresh.see(l.way); err == nil {
			return seen, nil
		}
	}
	return sight{}, ErrNoSound
}

// see frees the link when it has no devices.
func (l *link) see(way direction) (sight, error) {
	list, err := l.devices(way)
	if err == nil && len(list) == 0 {
		err = ErrNoSound
	}
	if err != nil {
		l.free()
		return sight{}, err
	}
	return sight{l, list}, nil
}
