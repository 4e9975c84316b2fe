package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gasso/net/signaling"
	"gasso/server"
)

// addFolder declares the flag that says which server is meant.
func addFolder(c *cobra.Command, folder *string) {
	standard := server.Default().Data
	if v := os.Getenv("GASSO_DATA"); v != "" {
		standard = v
	}
	c.Flags().StringVar(folder, "data", standard, "`DIR` of the running server")
}

func inviteCommand() *cobra.Command {
	var folder, id, title, role, revoke string
	var expires time.Duration
	c := &cobra.Command{
		Use: "invite --room ROOM", Short: "Print an invite link", Args: cobra.NoArgs,
		Long: "Print an invite link for a room, which is created when there is none of that id. The invite's id goes to standard error; --revoke makes an invite void.",
		RunE: func(c *cobra.Command, _ []string) error {
			control := server.NewControl(folder)
			if revoke != "" {
				return control.Revoke(c.Context(), revoke)
			}
			if id == "" {
				return fmt.Errorf("which room? Give --room ID")
			}
			inv, err := control.Invite(c.Context(), server.InviteSpec{
				Room: id, Title: title, Role: signaling.Role(role), Seconds: int64(expires / time.Second),
			})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "invite %s: %s of room %s until %s\n", inv.ID, inv.Role, inv.Room, inv.Expiry.Local().Format(time.RFC1123))
			_, err = fmt.Fprintln(c.OutOrStdout(), inv.URL)
			return err
		},
	}
	addFolder(c, &folder)
	c.Flags().StringVar(&id, "room", "", "`ID` of the room")
	c.Flags().StringVar(&title, "title", "", "`TITLE` of the room, when it is new")
	c.Flags().StringVar(&role, "role", string(signaling.RolePerformer), "host, performer or listener")
	c.Flags().DurationVar(&expires, "expires", 24*time.Hour, "how long the invite is good for")
	c.Flags().StringVar(&revoke, "revoke", "", "make the invite of this `ID` void")
	return c
}
