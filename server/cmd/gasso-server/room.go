package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gasso/server"
	"gasso/server/room"
)

// roomCommand speaks to the running server about its rooms.
func roomCommand() *cobra.Command {
	var folder string
	root := &cobra.Command{Use: "room", Short: "List, create and close rooms"}
	add := func(use, short string, args cobra.PositionalArgs, run func(context.Context, *server.Control, []string, io.Writer) error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
			return run(c.Context(), server.NewControl(folder), args, c.OutOrStdout())
		}}
		addFolder(c, &folder)
		root.AddCommand(c)
		return c
	}
	add("list", "List the rooms", cobra.NoArgs, listRooms)
	var spec server.RoomSpec
	create := add("create ID", "Open a room and keep it over restarts", cobra.ExactArgs(1),
		func(ctx context.Context, control *server.Control, args []string, _ io.Writer) error {
			spec.ID = args[0]
			return control.Create(ctx, spec)
		})
	create.Flags().StringVar(&spec.Title, "title", "", "what people call it")
	create.Flags().BoolVar(&spec.Open, "open", false, "performers need no invite")
	add("close ID", "End a room for good", cobra.ExactArgs(1),
		func(ctx context.Context, control *server.Control, args []string, _ io.Writer) error {
			return control.CloseRoom(ctx, args[0])
		})
	add("kick ID PARTICIPANT", "Take a participant (name or id) out of a room", cobra.ExactArgs(2), kick)
	var asJSON bool
	status := add("status ID", "Tell how a room is", cobra.ExactArgs(1),
		func(ctx context.Context, control *server.Control, args []string, to io.Writer) error {
			st, err := control.Room(ctx, args[0])
			if err != nil {
				return err
			}
			return printStatus(to, st, asJSON)
		})
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	for _, live := range []bool{true, false} {
		use, short := "on-air ID", "Start the broadcast of a room"
		if !live {
			use, short = "off-air ID", "Stop the broadcast of a room"
		}
		add(use, short, cobra.ExactArgs(1), func(ctx context.Context, control *server.Control, args []string, _ io.Writer) error {
			return control.OnAir(ctx, args[0], live)
		})
	}
	return root
}

func listRooms(ctx context.Context, control *server.Control, _ []string, to io.Writer) error {
	rooms, err := control.Rooms(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ROOM\tTITLE\tPARTICIPANTS\tON AIR\tLISTENERS")
	for _, r := range rooms {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\n", r.ID, r.Title, len(r.Participants), onAir(r), r.OnAir.Listeners)
	}
	return w.Flush()
}

// kick takes out everybody who is meant: one by id, or all of a name.
func kick(ctx context.Context, control *server.Control, args []string, to io.Writer) error {
	st, err := control.Room(ctx, args[0])
	if err != nil {
		return err
	}
	kicked := 0
	for _, p := range st.Participants {
		if p.ID != args[1] && p.Name != args[1] {
			continue
		}
		if err := control.Kick(ctx, args[0], p.ID); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(to, "%s (%s) is out\n", p.Name, p.ID)
		kicked++
	}
	if kicked == 0 {
		return fmt.Errorf("nobody in room %s is called %s: gasso-server room status %s lists who is there", args[0], args[1], args[0])
	}
	return nil
}

func printStatus(to io.Writer, st room.Status, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(to)
		e.SetIndent("", "  ")
		return e.Encode(st)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "room\t%s (%s)\n", st.ID, st.Title)
	_, _ = fmt.Fprintf(w, "on air\t%s\n", onAir(st))
	_, _ = fmt.Fprintf(w, "listeners\t%d at %s\n", st.OnAir.Listeners, st.OnAir.ListenerURL)
	if st.OnAir.Problem != "" {
		_, _ = fmt.Fprintf(w, "problem\t%s\n", st.OnAir.Problem)
	}
	_, _ = fmt.Fprintf(w, "packets\t%d received, %d forwarded, %d dropped, %d unannounced\n",
		st.PacketsReceived, st.PacketsToPerformers, st.PacketsDropped, st.PacketsUnannounced)
	_, _ = fmt.Fprintln(w, "\nPARTICIPANT\tNAME\tROLE\tLINK\tRTT MS\tPEAK DB")
	for _, p := range st.Participants {
		peak := "-"
		if p.Level != nil {
			peak = fmt.Sprintf("%.1f", p.Level.PeakDB)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f\t%s\n", p.ID, p.Name, p.Role, p.Link, p.RTTMS, peak)
	}
	return w.Flush()
}

func onAir(st room.Status) string {
	if !st.OnAir.Live {
		return "no"
	}
	return "since " + time.UnixMilli(st.OnAir.SinceUnixMS).Local().Format(time.TimeOnly)
}
