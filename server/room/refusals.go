package room

import (
	"sync"

	"gasso/net/signaling"
)

// refusalCodes are why a message or a join can be refused.
var refusalCodes = [...]string{
	signaling.CodeMalformed, signaling.CodeTooLarge, signaling.CodeUnknownType, signaling.CodeVersion, signaling.CodeUnknownRoom,
	signaling.CodeInvite, signaling.CodeExpired, signaling.CodeResume, signaling.CodeForbidden, signaling.CodeFull, signaling.CodeRate,
	signaling.CodeBadMedia, signaling.CodeUnknownPeer, signaling.CodeBadValue, signaling.CodeInternal,
}

// Refusals count what was refused since the server began.
type Refusals struct {
	ByCode        map[string]int64 // answers to messages and joins, by the code of the error
	Connections   int64            // signaling connections beyond what is kept
	ForgedResumes int64            // resumes whose secret is not the participant's, also those that entered as somebody new
}

// refusals are Refusals while they are counted.
type refusals struct {
	mu    sync.Mutex // guards what follows
	total Refusals
}

func newRefusals() *refusals {
	r := &refusals{total: Refusals{ByCode: make(map[string]int64, len(refusalCodes))}}
	for _, code := range refusalCodes {
		r.total.ByCode[code] = 0
	}
	return r
}

// add counts an answer.
func (r *refusals) add(code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.ByCode[code]++
}

func (r *refusals) addConnection() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.Connections++
}

func (r *refusals) addForged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.ForgedResumes++
}

// Refusals tells what was refused in all rooms.
func (reg *Registry) Refusals() Refusals {
	reg.refusals.mu.Lock()
	defer reg.refusals.mu.Unlock()
	told := reg.refusals.total
	told.ByCode = make(map[string]int64, len(refusalCodes))
	for code, n := range reg.refusals.total.ByCode {
		told.ByCode[code] = n
	}
	return told
}
