package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/assets/desktop"
	"gasso/assets/wasm"
	"gasso/audio/aec"
	"gasso/audio/opus"
	"gasso/internal/version"
)

func newDevicesCommand(out io.Writer) *cobra.Command {
	var soundSystem string
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List microphones and loudspeakers with the ids that --input and --output take",
		Long: "List microphones and loudspeakers with the ids that --input and --output take; * is the default one.\n" +
			"Of a device with several channels, device:ID#3 is the third alone, device:ID#3+4 a pair.\n" +
			"PulseAudio may mix the channels of a device with more than two; alsa and jack leave them as they are.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			inputs, outputs, err := session.Devices(soundSystem)
			if err != nil {
				return err
			}
			printDevices(out, "Microphones (--input)", inputs)
			printDevices(out, "Loudspeakers (--output)", outputs)
			return nil
		},
	}
	addSoundSystemFlag(cmd.Flags(), &soundSystem)
	return cmd
}

func addSoundSystemFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "sound-system", "", "sound system of the devices: "+strings.Join(session.SoundSystems(), " | ")+"; empty chooses")
}

func printDevices(out io.Writer, title string, devices []session.Device) {
	fmt.Fprintln(out, title)
	for _, d := range devices {
		mark := " "
		if d.Default {
			mark = "*"
		}
		channels := ""
		switch {
		case d.Channels == 1:
			channels = "mono, "
		case d.Channels == 2:
			channels = "stereo, "
		case d.Channels > 2:
			channels = fmt.Sprintf("%d channels, ", d.Channels)
		}
		fmt.Fprintf(out, " %s device:%s\n     %s (%s%s)\n", mark, d.ID, d.Name, channels, d.Backend)
	}
}

func newDoctorCommand(out io.Writer) *cobra.Command {
	var server string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what the app needs on this machine and say what is missing",
		Long: "Check what the app needs on this machine. ✓ is well; ! is missing, but the app works without it in part;\n" +
			"✗ is needed, and makes the exit status 1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDoctor(cmd.Context(), out, server)
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "also check that this server can be reached (such as https://HOST)")
	return cmd
}

var errDoctor = errors.New("something that is needed is missing; the lines marked with ✗ say what to do")

// runDoctor prints a line for each check; only what nobody can do without is an error.
func runDoctor(ctx context.Context, out io.Writer, server string) error {
	needed := true
	say := func(err error, must bool, good string) {
		switch {
		case err == nil:
			fmt.Fprintf(out, "✓ %s\n", good)
		case must:
			needed = false
			fmt.Fprintf(out, "✗ %v\n", err)
		default:
			fmt.Fprintf(out, "! %v\n", err)
		}
	}
	say(nil, true, "gasso "+version.String()+", "+opus.Version())
	inputs, outputs, err := session.Devices("")
	say(err, false, fmt.Sprintf("%d microphones, %d loudspeakers", len(inputs), len(outputs)))
	say(checkCanceller(), false, "echo cancellation (AEC3)")
	_, err = wasm.RNNoise()
	say(err, false, "noise suppression (RNNoise)")
	_, err = desktop.Fetched("NotoSansJP-Regular.ttf")
	say(err, false, "Japanese font")
	say(hasDisplay(), false, "display")
	if server != "" {
		say(checkServer(ctx, server), true, "server "+server)
	}
	if !needed {
		return errDoctor
	}
	return nil
}

func checkCanceller() error {
	c, err := aec.New()
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

// checkServer asks for a room that need not exist: any answer shows that the server is there.
func checkServer(ctx context.Context, server string) error {
	if !strings.Contains(server, "://") {
		return fmt.Errorf("server address %q lacks its beginning: write https://%s, or http:// for a server on this machine", server, server)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(server, "/")+"/api/v1/rooms/doctor", nil)
	if err != nil {
		return fmt.Errorf("server address %q cannot be used (%w); write it as https://HOST", server, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("server %s cannot be reached (%w); check the address, that it runs, and the firewall", server, err)
	}
	return response.Body.Close()
}
