// Package app is the performer's program: the desktop window, the same without a screen, and what
// helps to set up sound. It wires the session, the settings and the window together.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gasso/assets/desktop"
	"gasso/internal/version"
)

// Run runs the program with its arguments and returns its exit code: 0 after a normal end, 1 after
// an error, which is printed to errs in words.
func Run(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand(out, errs)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(errs, "gasso: %v\n", err)
		return 1
	}
	return 0
}

func newRootCommand(out, errs io.Writer) *cobra.Command {
	var verbose bool
	desktop := desktopOptions{}
	root := &cobra.Command{
		Use:   "gasso [INVITE]",
		Short: "Play and talk together over the network, and broadcast it live",
		Long: "Without a command, gasso opens its window. INVITE is the link that a host sent you;\n" +
			"with it the join screen is filled in already.",
		Example: "  gasso 'https://HOST/join/ROOM#TOKEN'\n" +
			"  gasso headless --invite 'https://HOST/join/ROOM#TOKEN' --input 'file:song.wav?loop'",
		Args:          cobra.MaximumNArgs(1),
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if !strings.Contains(args[0], "://") {
					return fmt.Errorf("%q is neither a command nor an invite link; see gasso --help", args[0])
				}
				desktop.invite = args[0]
			}
			return runDesktop(cmd.Context(), desktop, newLogger(errs, verbose))
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	desktop.addFlags(root.Flags())
	root.AddCommand(newHeadlessCommand(out, errs, &verbose), newDevicesCommand(out), newDoctorCommand(out), newLicensesCommand(out))
	return root
}

func newLicensesCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "licenses",
		Short: "Print the licences of everything that this program contains",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			notices, err := desktop.Fetched("NOTICES.txt")
			if err != nil {
				return errors.New("this program was built without its notices; run make setup and build again")
			}
			_, err = out.Write(notices)
			return err
		},
	}
}

func newLogger(errs io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: level}))
}
