package peer

import "gasso/net/packet"

// sendQueueLength is how many packets may wait for a slow TCP relay: 320 ms of one publisher at 5 ms.
const sendQueueLength = 64

// sendQueue decouples writing from a transport that may block (TURN over TCP or TLS). What does not
// fit is dropped: the newest, since older ones are on their way already.
type sendQueue struct {
	waiting chan *queuedPacket
	free    chan *queuedPacket
}

type queuedPacket struct {
	track       *localTrack
	packet      packet.Packet
	payloadType uint8
	again       bool
	payload     [maxPayloadBytes]byte
}

func newSendQueue() *sendQueue {
	q := &sendQueue{
		waiting: make(chan *queuedPacket, sendQueueLength),
		free:    make(chan *queuedPacket, sendQueueLength),
	}
	for range sendQueueLength {
		q.free <- &queuedPacket{}
	}
	return q
}

// push copies the packet; false when the queue is full.
func (q *sendQueue) push(t *localTrack, pk *packet.Packet, payloadType uint8, again bool) bool {
	select {
	case next := <-q.free:
		next.track, next.packet, next.payloadType, next.again = t, *pk, payloadType, again
		next.packet.Payload = next.payload[:copy(next.payload[:], pk.Payload)]
		q.waiting <- next // has room for every queuedPacket there is
		return true
	default:
		return false
	}
}

// run writes until quit; a write that blocks ends when the link closes its sockets.
func (q *sendQueue) run(quit <-chan struct{}) {
	for {
		select {
		case <-quit:
			return
		case next := <-q.waiting:
			next.write()
			next.track = nil
			q.free <- next
		}
	}
}

func (p *queuedPacket) write() {
	defer func() {
		if r := recover(); r != nil {
			p.track.failed.Add(1)
			p.track.link.notePanic(r)
		}
	}()
	_ = p.track.writeNow(&p.packet, p.payloadType, p.again) // counted there
}
