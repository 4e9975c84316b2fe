package limits

const (
	maxDescriptors  = 1 << 20 // no limit is told as this one
	reservedFiles   = 256     // at least, for media sockets, encoders and the store
	reservedPart    = 4       // a fourth of all, for ICE-TCP, which has a socket for each performer
	usualMost       = 16384   // connections that nobody asked for more of: with TLS about 40 KB each
	leastOfReserved = 16      // connections that are let in even where descriptors are that scarce
)

// MostConnections is how many HTTP connections a process with that many descriptors can hold and have
// room for media.
func MostConnections(descriptors int) int {
	return max(leastOfReserved, descriptors-max(reservedFiles, descriptors/reservedPart))
}

// UsualConnections is MostConnections, bounded by what memory such a server has.
func UsualConnections(descriptors int) int { return min(MostConnections(descriptors), usualMost) }
