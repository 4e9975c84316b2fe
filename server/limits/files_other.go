//go:build !unix

package limits

// Descriptors is how many files and sockets the process may have open; this system sets no limit.
func Descriptors() (int, error) { return maxDescriptors, nil }
