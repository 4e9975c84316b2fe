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
	defer func() { l.drop() }()
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

// offer puts a listing in the place of one that nobody took.
func (l *lookout) offer(next listing) {
	select {
	case <-l.listings:
	default:
	}
	l.listings <- next
}

func (l *lookout) look(now time.Time) listing {
	if l.link == nil {
		link, err := l.connect()
		if err != nil {
			return listing{began: now}
		}
		l.link = link
	}
	link := l.link
	list, err := within(openWithin, func() ([]found, error) { return link.devices(l.way) }, func([]found) {})
	if err != nil || len(list) == 0 {
		l.drop()
		return listing{began: now}
	}
	return listing{devices: list, backend: link.name, began: now}
}

// connect finds the first sound system that has devices.
func (l *lookout) connect() (*link, error) {
	systems, err := choose(l.backend)
	if err != nil {
		return nil, err
	}
	return within(openWithin, func() (*link, error) {
		for _, s := range systems {
			link, err := s.connect()
			if err != nil {
				continue
			}
			if list, err := link.devices(l.way); err == nil && len(list) > 0 {
				return link, nil
			}
			link.free()
		}
		return nil, ErrNoSound
	}, (*link).free)
}

// drop gives the link up in a goroutine of its own, since a sound system that hangs holds whoever
// calls it.
func (l *lookout) drop() {
	if l.link == nil {
		return
	}
	link := l.link
	l.link = nil
	_, _ = within(closeWithin, func() (struct{}, error) {
		link.free()
		return struct{}{}, nil
	}, func(struct{}) {})
}
