// Command gasso-server is the companion server and the tool to run it: it forwards, mixes and
// publishes what performers send.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gasso/internal/version"
)

func main() {
	root := &cobra.Command{
		Use: "gasso-server", Short: "Forward, mix and broadcast what performers play together",
		Version: version.String(), SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), inviteCommand(), roomCommand(), journalCommand(), doctorCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "gasso-server:", err)
		os.Exit(1)
	}
}
