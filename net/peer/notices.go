package peer

import (
	"sync"

	"gasso/net/signaling"
)

// notice is one callback to make: Send with a signal, else OnState.
type notice struct {
	signal *signaling.Signal
	state  State
}

// notices is the queue to the goroutine that makes the callbacks. Pushing never blocks, since pion
// pushes candidates from inside the owner's own calls. What makes it grow is bounded: pion gathers
// a limited number of candidates, and descriptions wait for answers.
//
// Candidates are held back while a description is being made, so that they never overtake it.
type notices struct {
	wake chan struct{} // one slot

	mu     *sync.Mutex // guards what follows
	queue  []notice
	held   []notice
	hold   bool
	closed bool
}

func newNotices() notices {
	return notices{wake: make(chan struct{}, 1), mu: &sync.Mutex{}, hold: true}
}

func (n *notices) push(next notice) {
	n.mu.Lock()
	n.queue = append(n.queue, next)
	n.mu.Unlock()
	n.signal()
}

// pushCandidate queues a candidate behind the description that it belongs to.
func (n *notices) pushCandidate(next notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hold {
		n.held = append(n.held, next)
		return
	}
	n.queue = append(n.queue, next)
	n.signal()
}

// holdCandidates begins a description.
func (n *notices) holdCandidates() {
	n.mu.Lock()
	n.hold = true
	n.mu.Unlock()
}

// release queues a description, if there is one, and the candidates behind it.
func (n *notices) release(description *signaling.Signal) {
	n.mu.Lock()
	if description != nil {
		n.queue = append(n.queue, notice{signal: description})
	}
	n.queue = append(n.queue, n.held...)
	n.held, n.hold = nil, false
	n.mu.Unlock()
	n.signal()
}

func (n *notices) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// close lets pop return what is left and then false.
func (n *notices) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.signal()
}

// pop waits for the next notice; only one goroutine calls it.
func (n *notices) pop() (next notice, ok bool) {
	for {
		n.mu.Lock()
		if len(n.queue) > 0 {
			next = n.queue[0]
			n.queue = n.queue[1:]
			n.mu.Unlock()
			return next, true
		}
		closed := n.closed
		n.mu.Unlock()
		if closed {
			return notice{}, false
		}
		<-n.wake
	}
}
