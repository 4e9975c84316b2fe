package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gasso/internal/version"
	"gasso/server"
	"gasso/server/garbage"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: "Run the server until SIGTERM or Ctrl-C. Options come from the file of --config, then from GASSO_... variables " +
			"(GASSO_RTC_UDP for --rtc-udp), then from flags; later ones win. SIGHUP reads certificate files again.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := server.Load(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			cfg.Log = newLog(os.Stderr, cfg)
			return serve(c.Context(), cfg, c.OutOrStdout())
		},
	}
	server.AddFlags(c.Flags())
	return c
}

func newLog(w io.Writer, cfg server.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// serve runs the server until a signal ends it.
func serve(ctx context.Context, cfg server.Config, to io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	garbage.Limit()
	cfg.Log.Info("server starts", "version", version.String(), "data", cfg.Data)
	s, err := server.New(cfg)
	if err != nil {
		return err
	}
	links, err := s.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if _, err := fmt.Fprintf(to, "%s  %s\n", l.For, l.URL); err != nil {
			return fmt.Errorf("print links: %w", err)
		}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	done := make(chan struct{})
	defer close(done)
	go runReload(s, hangup, done, cfg.Log)
	return s.Run(ctx)
}

// runReload reads certificates again on each hang-up, until done.
func runReload(s *server.Server, hangup <-chan os.Signal, done <-chan struct{}, log *slog.Logger) {
	for {
		select {
		case <-hangup:
			if err := s.Reload(); err != nil {
				log.Error("certificate not read again, the old one stays", "error", err)
			} else {
				log.Info("certificate read again")
			}
		case <-done:
			return
		}
	}
}
