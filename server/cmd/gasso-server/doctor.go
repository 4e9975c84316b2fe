package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gasso/server"
)

func doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Check what the server needs", Args: cobra.NoArgs,
		Long: "Check configuration, data folder, ports, UDP, TLS and ffmpeg with the options that serve would use. It changes nothing, except that it makes the data folder.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := server.Load(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			bad := 0
			for _, check := range server.Examine(c.Context(), cfg) {
				mark := "ok  "
				if check.Problem != "" {
					mark = "BAD "
					bad++
				}
				_, _ = fmt.Fprintf(c.OutOrStdout(), "%s  %-8s  %s\n", mark, check.Name, check.Text())
			}
			if bad > 0 {
				return errors.New("not everything is well; see above")
			}
			return nil
		},
	}
	server.AddFlags(c.Flags())
	return c
}
