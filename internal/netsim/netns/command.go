package netns

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	patience = 10 * time.Second // for ip and nft
	entered  = "GASSO_NETNS"    // set inside Enter
)

// Command returns a command that runs a program in the node. Its process id is the program's.
func (n *Node) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.space, name}, args...)...)
}

// ip runs a command of ip in the node.
func (n *Node) ip(args ...string) error {
	return run("ip", append([]string{"-n", n.space}, args...)...)
}

// nft loads rules in the node.
func (n *Node) nft(rules string) error {
	return runWith(rules, "ip", "netns", "exec", n.space, "nft", "-f", "-")
}

func run(name string, args ...string) error { return runWith("", name, args...) }

func runWith(stdin, name string, args ...string) error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin = strings.NewReader(stdin)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// kill ends the processes that are left in the node.
func (n *Node) kill() {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", n.space).Output()
	if err != nil {
		return
	}
	for field := range strings.FieldsSeq(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 && pid != os.Getpid() {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
	}
}

// sweep removes namespaces of processes that ended without removing them.
func sweep() {
	names, _ := filepath.Glob("/run/netns/gasso-*")
	for _, path := range names {
		name := filepath.Base(path)
		parts := strings.SplitN(name, "-", 3)
		pid, err := strconv.Atoi(parts[1])
		if err != nil || len(parts) < 3 {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); os.IsNotExist(err) {
			_ = run("ip", "netns", "del", name)
		}
	}
}

// Enter makes worlds possible for somebody who is not root: it starts the program again in
// namespaces of its own (unshare of util-linux), with the same arguments, and exits with its status.
// It returns at once for root, where it was called before, and where the system refuses: New then
// says so. Call it before anything else.
func Enter() {
	if os.Geteuid() == 0 || os.Getenv(entered) != "" {
		return
	}
	if run("unshare", "-Urnm", "mount", "-t", "tmpfs", "none", "/run") != nil {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	args := append([]string{"-Urnm", "sh", "-c", `mount -t tmpfs none /run && exec "$0" "$@"`, self}, os.Args[1:]...)
	c := exec.Command("unshare", args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), entered+"=1")
	if err := c.Run(); err != nil && c.ProcessState == nil {
		return
	}
	os.Exit(c.ProcessState.ExitCode())
}
