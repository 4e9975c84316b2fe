package signaling

// Paths tells over which ways packets from one participant reach another: directly between the two,
// and forwarded by the server. Both copies flow unless somebody ruled one out.
func Paths(from, to *Participant) (direct, forwarded bool) {
	if to.Receive == ReceiveMix || to.Role == RoleListener {
		return false, false
	}
	direct = from.Topology != TopologySFU && to.Topology != TopologySFU && from.Receive != ReceiveMix
	forwarded = !direct || from.Topology != TopologyP2P && to.Topology != TopologyP2P
	return direct, forwarded
}
