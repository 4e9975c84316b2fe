//go:build !linux

package netns

import (
	"errors"
	"os"
)

var errLinux = errors.New("only Linux has network namespaces")

// Do calls f on a thread that is in the node's network.
func (n *Node) Do(func() error) error { return errLinux }

func (n *Node) tunnel(string) (*os.File, error) { return nil, errLinux }
