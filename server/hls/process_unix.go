//go:build unix

package hls

import (
	"os/exec"
	"syscall"
)

// detach keeps a Ctrl-C in the terminal from the process: the broadcast ends by End.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
