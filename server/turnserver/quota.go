package turnserver

import (
	"net/netip"
	"sync"
)

// quota counts allocations. The total is bounded by the relay ports.
type quota struct {
	perParticipant, perAddress, total int

	mu           sync.Mutex // guards what follows
	all          int
	participants map[string]int
	addresses    map[netip.Addr]int // by what one customer has: an address, or a /64
}

// quotaOf bounds what there is of a range of ports.
func quotaOf(ports PortRange) *quota {
	total := int(ports.Max) - int(ports.Min) + 1
	return &quota{
		perParticipant: perParticipant, perAddress: max(total/shareOfAddress, perParticipant), total: total,
		participants: map[string]int{}, addresses: map[netip.Addr]int{},
	}
}

// has tells whether an address may have another allocation.
func (q *quota) has(participant string, address netip.Addr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.addresses[sourceOf(address)] < q.perAddress && q.hasLocked(participant)
}

func (q *quota) hasLocked(participant string) bool {
	return q.all < q.total && q.participants[participant] < q.perParticipant
}

// take counts one for a participant, false when it has all it may have.
func (q *quota) take(participant string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.hasLocked(participant) {
		return false
	}
	q.all++
	q.participants[participant]++
	return true
}

func (q *quota) giveBack(participant string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.participants[participant]--; q.participants[participant] == 0 {
		delete(q.participants, participant)
	}
}

// at adds to an address's allocations.
func (q *quota) at(address netip.Addr, add int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	address = sourceOf(address)
	if q.addresses[address] += add; q.addresses[address] <= 0 {
		delete(q.addresses, address)
	}
}

func (q *quota) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.all
}
