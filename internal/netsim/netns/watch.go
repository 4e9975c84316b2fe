package netns

// WatchUp has see called with each IP packet that the node's line sends, as the program or its router wrote it, before
// the conditions decide on it; nil ends that. The packet is borrowed, and see must not block.
func (n *Node) WatchUp(see func(packet []byte)) { n.line().seeUp.Store(&see) }

// WatchDown is WatchUp for what is sent to the node.
func (n *Node) WatchDown(see func(packet []byte)) { n.line().seeDown.Store(&see) }

func show(see *func([]byte), packet []byte) {
	if see != nil && *see != nil {
		(*see)(packet)
	}
}
