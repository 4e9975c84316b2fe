package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/assets/wasm"
	"gasso/audio/device"
	"gasso/audio/mix"
	"gasso/net/signaling"
)

// headlessOptions are the flags of gasso headless.
type headlessOptions struct {
	invite, server, room, name, token string
	input, output, soundSystem        string
	mode, topology, receive           string
	aec, ns, agc, highPass, monitor   string
	music, muted, onAir               bool
	bitrate, cpuLimit                 int
	duration                          time.Duration
	stats                             string
	connection                        connectionOptions
	keeping                           keepingOptions
}

func newHeadlessCommand(out, errs io.Writer, verbose *bool) *cobra.Command {
	o := headlessOptions{}
	cmd := &cobra.Command{
		Use:   "headless",
		Short: "Join a room without a screen: for bots, servers and tests",
		Long: "Join a room without a screen: for bots, servers and tests. It says on one line how things stand,\n" +
			"each time that this changes, and ends with --duration, Ctrl-C or SIGTERM.",
		Example: "  gasso headless --invite 'https://HOST/join/ROOM#TOKEN' --name Bot --input 'file:song.wav?loop'\n" +
			"  gasso headless --server http://127.0.0.1:8080 --room demo --input tone:440 --output file:heard.wav --duration 1m",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runHeadless(cmd.Context(), o, out, newLogger(errs, *verbose))
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *headlessOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.invite, "invite", "", "invite link, in place of --server, --room and --token")
	f.StringVar(&o.server, "server", "http://127.0.0.1:8080", "base URL of the server")
	f.StringVar(&o.room, "room", "", "room to join")
	f.StringVar(&o.name, "name", "headless", "name that the others see")
	f.StringVar(&o.token, "token", "", "invite token; an open room needs none")
	f.StringVar(&o.input, "input", "device", "device[:ID][#CHANNEL[+CHANNEL]] | file:PATH[?loop] | tone:HZ | silence")
	f.StringVar(&o.output, "output", "null", "device[:ID][#CHANNEL[+CHANNEL]] | file:PATH.wav | null")
	addSoundSystemFlag(f, &o.soundSystem)
	f.StringVar(&o.mode, "mode", string(session.ModeLive), "studio (2.5 ms packets) | live (5 ms) | safe (10 ms)")
	f.StringVar(&o.topology, "topology", string(signaling.TopologyAuto), "how sound travels: auto (both ways) | p2p (directly) | sfu (through the server)")
	f.StringVar(&o.receive, "receive", string(signaling.ReceiveTracks), "tracks (the others one by one) | mix (the server's mix of the others)")
	f.StringVar(&o.aec, "aec", "", "echo cancellation: off | voice (default voice for devices)")
	f.StringVar(&o.ns, "ns", "", "noise suppression: off | on (default on for devices)")
	f.StringVar(&o.agc, "agc", "", "gain control: off | on (default on for devices)")
	f.StringVar(&o.highPass, "high-pass", "", "cut below 80 Hz: off | on (default on for devices)")
	f.BoolVar(&o.music, "music", false, "music mode: stereo, no processing")
	f.StringVar(&o.monitor, "monitor", "off", "hear the own microphone: off | its level in dB, -80 to 12")
	f.BoolVar(&o.muted, "muted", false, "start muted")
	f.BoolVar(&o.onAir, "on-air", false, "start the broadcast once joined (hosts)")
	f.IntVar(&o.bitrate, "bitrate", 0, "bit/s of the encoder, 6000 to 510000; 0 chooses")
	f.IntVar(&o.cpuLimit, "cpu-limit", 0, "percent of one core, 10 to 400, that quality is lowered for; 0 sets no limit")
	o.connection.addFlags(f)
	o.keeping.addFlags(f, spoolOff)
	f.DurationVar(&o.duration, "duration", 0, "leave after this time; 0 stays")
	f.StringVar(&o.stats, "stats", "", "write a JSON object a second to this file; docs/development.md tells the fields")
}

// config turns the flags into a session's configuration.
func (o headlessOptions) config(log *slog.Logger) (session.Config, error) {
	cfg := session.Config{
		Server: o.server, Room: o.room, Name: o.name, Token: o.token, Input: o.input, Output: o.output, SoundSystem: o.soundSystem,
		Mode: session.Mode(o.mode), BitrateBPS: o.bitrate, CPULimitPercent: o.cpuLimit, AddressFile: addressFile(), Log: log,
	}
	if o.invite != "" {
		invite, err := session.ParseInvite(o.invite)
		if err != nil {
			return cfg, err
		}
		cfg.Server, cfg.Room, cfg.Token = invite.Server, invite.Room, invite.Token
	}
	if cfg.Room == "" {
		return cfg, errors.New("no room to join was named: give --invite LINK, or --server URL and --room NAME")
	}
	if err := errors.Join(o.connection.apply(&cfg), o.keeping.apply(&cfg)); err != nil {
		return cfg, err
	}
	if o.bitrate != 0 && (o.bitrate < 6000 || o.bitrate > 510000) {
		return cfg, fmt.Errorf("--bitrate is %d; it takes 0 or 6000 to 510000 bit/s", o.bitrate)
	}
	if err := session.CheckCPULimit(o.cpuLimit); err != nil {
		return cfg, fmt.Errorf("--cpu-limit: %w", err)
	}
	var err error
	if cfg.Topology, err = choice("topology", signaling.Topology(o.topology), signaling.TopologyAuto, signaling.TopologyP2P, signaling.TopologySFU); err != nil {
		return cfg, err
	}
	if cfg.Receive, err = choice("receive", signaling.Receive(o.receive), signaling.ReceiveTracks, signaling.ReceiveMix); err != nil {
		return cfg, err
	}
	if cfg.Processing, err = o.processing(); err != nil {
		return cfg, err
	}
	if cfg.NoiseModel, err = wasm.RNNoise(); err != nil && cfg.Processing.NoiseSuppression {
		return cfg, err
	}
	return cfg, nil
}

// processing is on for microphones and off for everything else, unless a flag says otherwise.
func (o headlessOptions) processing() (session.Processing, error) {
	on := strings.HasPrefix(o.input, string(device.Hardware)) && !o.music
	p := session.Processing{Music: o.music}
	for _, f := range []struct {
		name, value, onWord string
		to                  *bool
	}{
		{"aec", o.aec, "voice", &p.EchoCancellation},
		{"ns", o.ns, "on", &p.NoiseSuppression},
		{"agc", o.agc, "on", &p.AutoGainControl},
		{"high-pass", o.highPass, "on", &p.HighPass},
	} {
		switch f.value {
		case "":
			*f.to = on
		case "off":
		case f.onWord:
			*f.to = true
		default:
			return p, fmt.Errorf("--%s is %q; it takes off or %s", f.name, f.value, f.onWord)
		}
	}
	return p, nil
}

// ownMonitor tells whether the own microphone is heard, and how loud.
func (o headlessOptions) ownMonitor() (on bool, gainDB float64, err error) {
	if o.monitor == "off" {
		return false, 0, nil
	}
	gainDB, err = strconv.ParseFloat(o.monitor, 64)
	if err != nil || !(gainDB >= mix.MinGainDB && gainDB <= mix.MaxGainDB) {
		return false, 0, fmt.Errorf("--monitor is %q; it takes off or a level from %d to %d dB", o.monitor, mix.MinGainDB, mix.MaxGainDB)
	}
	return true, gainDB, nil
}

func choice[T ~string](name string, value T, allowed ...T) (T, error) {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		if value == a {
			return value, nil
		}
		words[i] = string(a)
	}
	return value, fmt.Errorf("--%s is %q; it takes %s", name, value, strings.Join(words, ", "))
}

// runHeadless joins and stays until ctx or the duration ends.
func runHeadless(ctx context.Context, o headlessOptions, out io.Writer, log *slog.Logger) error {
	cfg, err := o.config(log)
	if err != nil {
		return err
	}
	hears, gainDB, err := o.ownMonitor()
	if err != nil {
		return err
	}
	stats, err := o.openStats()
	if err != nil {
		return err
	}
	s, err := session.New(cfg)
	if err != nil {
		return errors.Join(err, stats.Close())
	}
	s.SetMonitor(hears, gainDB)
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	s.SetMuted(o.muted)
	ended := make(chan error, 1)
	watchCtx, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	go func() { ended <- s.Run(ctx) }()
	watched := make(chan error, 1)
	go func() { watched <- watch(watchCtx, s, o, out, stats) }()
	err = <-ended
	stopWatching()
	return errors.Join(err, <-watched, stats.Close())
}

// openStats makes the file of --stats, so that one that cannot be made is known before anybody joins.
func (o headlessOptions) openStats() (io.WriteCloser, error) {
	if o.stats == "" {
		return discard{io.Discard}, nil
	}
	f, err := os.Create(o.stats)
	if err != nil {
		return nil, fmt.Errorf("--stats: the file cannot be made; check its path: %w", err)
	}
	return f, nil
}

// discard keeps nothing.
type discard struct{ io.Writer }

// Close implements io.Closer.
func (discard) Close() error { return nil }

// watch says what happens, writes statistics and starts the broadcast.
func watch(ctx context.Context, s *session.Session, o headlessOptions, out, stats io.Writer) error {
	lines := session.NewStatsWriter(stats)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	said, aired := "", false
	for ended := false; ; {
		snap := s.Snapshot()
		if line := headline(snap); line != said {
			fmt.Fprintln(out, line)
			said = line
		}
		if o.onAir && !aired && snap.State == session.StateJoined {
			s.SetOnAir(true)
			aired = true
		}
		if err := lines.Write(snap); err != nil {
			return fmt.Errorf("write statistics: %w", err)
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done(): // the session has ended; its last figures follow
			ended = true
		case <-tick.C:
		}
	}
}

// headline is the state of a session in one line.
func headline(snap session.Snapshot) string {
	names := make([]string, len(snap.Performers))
	for i, p := range snap.Performers {
		names[i] = p.Name
	}
	line := fmt.Sprintf("%s %s", snap.Room, snap.State)
	if len(names) > 0 {
		line += " with " + strings.Join(names, ", ")
	}
	if snap.Problem != "" {
		line += ": " + snap.Problem
	}
	return line
}
