package jitter

import (
	"slices"
	"time"

	"gasso/internal/netsim"
)

// network is a case: what the link does, from the sender and back.
type network struct {
	name  string
	steps []netsim.Step
}

func always(name string, c netsim.Conditions) network {
	return network{name: name, steps: []netsim.Step{{Conditions: c}}}
}

// forward and back return the two directions for a seed.
func (n network) forward(seed uint64) *netsim.Link { return netsim.NewLink(2*seed, n.steps...) }
func (n network) back(seed uint64) *netsim.Link    { return netsim.NewLink(2*seed+1, n.steps...) }

// roundTrip is the mean time there and back.
func (n network) roundTrip() time.Duration { return 2 * n.steps[0].Delay }

// arrival is one packet at the receiver.
type arrival struct {
	at     time.Duration
	number int64
	copy   bool // of an earlier packet, carried by the next one
}

// arrivals sends packets of one length for a while, with a copy of the previous one in each when
// copies are wanted, and returns what comes in order of arrival.
func (n network) arrivals(seed uint64, packet, length time.Duration, copies bool) []arrival {
	link := n.forward(seed)
	var all []arrival
	for number := int64(0); ; number++ {
		sent := time.Duration(number+1) * packet
		if sent > length {
			break
		}
		at, arrives := link.Send(sent)
		if !arrives {
			continue
		}
		if copies && number > 0 {
			all = append(all, arrival{at, number - 1, true})
		}
		all = append(all, arrival{at, number, false})
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	return all
}

// phase is where in one of its periods a receiver begins, another one for each seed.
func phase(seed uint64, period time.Duration) time.Duration {
	return time.Duration(2*(seed%5)+1) * period / 10
}

// queue holds what is under way, in order of arrival.
type queue[T any] struct {
	at    []time.Duration
	items []T
}

func (q *queue[T]) push(at time.Duration, item T) {
	i := len(q.at)
	for i > 0 && q.at[i-1] > at {
		i--
	}
	q.at = slices.Insert(q.at, i, at)
	q.items = slices.Insert(q.items, i, item)
}

// pop returns what has arrived by now, the oldest first.
func (q *queue[T]) pop(now time.Duration) (item T, at time.Duration, ok bool) {
	if len(q.at) == 0 || q.at[0] > now {
		return item, 0, false
	}
	item, at = q.items[0], q.at[0]
	q.at = slices.Delete(q.at, 0, 1)
	q.items = slices.Delete(q.items, 0, 1)
	return item, at, true
}
