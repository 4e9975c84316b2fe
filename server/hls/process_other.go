//go:build !unix

package hls

import "os/exec"

// detach does nothing where there are no process groups.
func detach(*exec.Cmd) {}
