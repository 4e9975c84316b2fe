package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"gasso/app/session"
	"gasso/app/settings"
	"gasso/app/ui"
	"gasso/assets/wasm"
	"gasso/audio/device"
	"gasso/internal/version"
	"gasso/net/signaling"
)

// desktopOptions are the flags of the window.
type desktopOptions struct {
	invite              string
	join                bool
	name, input, output string
	topology, lang      string
	connection          connectionOptions
	keeping             keepingOptions
}

func (o *desktopOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.join, "join", false, "join at once, without the join screen")
	f.StringVar(&o.name, "name", "", "name that the others see (this time only)")
	f.StringVar(&o.input, "input", "", "device[:ID] | file:PATH[?loop] | tone:HZ | silence (this time only)")
	f.StringVar(&o.output, "output", "", "device[:ID] | file:PATH.wav | null (this time only)")
	f.StringVar(&o.topology, "topology", "", "how sound travels: auto (both ways) | p2p (directly) | sfu (through the server); default from the settings")
	o.connection.addFlags(f)
	o.keeping.addFlags(f, "")
	f.StringVar(&o.lang, "lang", "", "ja | en (default from the settings, then from the system)")
}

// runDesktop opens the window and returns when it is closed.
func runDesktop(_ context.Context, o desktopOptions, log *slog.Logger) (err error) {
	defer func() {
		// Fyne panics when the display cannot be used; anything else is a bug of ours and goes on.
		if r := recover(); r != nil {
			if !strings.Contains(fmt.Sprint(r), "GLFW") {
				panic(r)
			}
			err = fmt.Errorf("no window can be opened on this display (%v); check DISPLAY and the OpenGL driver, or use gasso headless", r)
		}
	}()
	if err := o.connect(&session.Config{}, settings.Defaults()); err != nil {
		return err
	}
	if err := hasDisplay(); err != nil {
		return err
	}
	store, err := o.settings(log)
	if err != nil {
		return err
	}
	model, err := wasm.RNNoise()
	if err != nil {
		log.Warn("noise suppression is not available", "error", err)
	}
	return ui.Run(ui.Options{
		Backend: ui.Backend{
			Join: func(r ui.JoinRequest) (ui.Engine, error) {
				cfg := session.Config{
					Server: r.Server, Room: r.Room, Name: r.Name, Token: r.Token, Input: r.Input, Output: r.Output,
					SoundSystem: r.SoundSystem, FallBack: true, Mode: r.Mode, Receive: signaling.ReceiveTracks,
					Processing: r.Processing, NoiseModel: model, CPULimitPercent: r.CPULimitPercent, AddressFile: addressFile(), Log: log,
				}
				if err := o.connect(&cfg, store.Get()); err != nil {
					return nil, err
				}
				engine, err := session.New(cfg)
				if err != nil {
					return nil, err
				}
				engine.SetMonitor(r.MonitorOn, r.MonitorGainDB)
				return engine, nil
			},
			Devices:      devices,
			SoundSystems: session.SoundSystems(),
			NewSoundcheck: func(input, soundSystem string) (ui.Soundcheck, error) {
				return session.NewSoundcheck(input, soundSystem, log)
			},
			ParseInvite: func(link string) (ui.Invite, error) {
				invite, err := session.ParseInvite(link)
				return ui.Invite(invite), err
			},
			CheckCA: checkCA,
		},
		Settings: store, Invite: o.invite, AutoJoin: o.join, Lang: o.lang, Version: version.String(), Log: log,
	})
}

// connect puts into a session's configuration how the server and the others are reached: as the flags say,
// and the settings where these say nothing.
func (o desktopOptions) connect(cfg *session.Config, prefs settings.Settings) (err error) {
	way := cmp.Or(signaling.Topology(o.topology), prefs.Topology)
	if cfg.Topology, err = choice("topology", way, signaling.TopologyAuto, signaling.TopologyP2P, signaling.TopologySFU); err != nil {
		return err
	}
	return errors.Join(o.connection.orSettings(prefs).apply(cfg), o.keeping.orSettings(prefs).apply(cfg))
}

// settings opens the preferences. With flags that override them, they are a copy that nothing is saved of.
func (o desktopOptions) settings(log *slog.Logger) (*settings.Store, error) {
	path, err := settings.Path()
	if err != nil {
		log.Warn("settings are not kept", "error", err)
		path = ""
	}
	store := settings.Open(path, log)
	if o.name == "" && o.input == "" && o.output == "" {
		return store, nil
	}
	kept := store.Get()
	store = settings.Open("", log)
	err = store.Update(func(s *settings.Settings) {
		*s = kept
		for flag, field := range map[*string]*string{&o.name: &s.Name, &o.input: &s.Input, &o.output: &s.Output} {
			if *flag != "" {
				*field = *flag
			}
		}
		if o.input != "" && !strings.HasPrefix(o.input, string(device.Hardware)) {
			s.Processing = session.Processing{} // what is no microphone needs none
		}
	})
	return store, err
}

func devices(soundSystem string) (inputs, outputs []ui.Device, err error) {
	in, out, err := session.Devices(soundSystem)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range in {
		inputs = append(inputs, uiDevice(d))
	}
	for _, d := range out {
		outputs = append(outputs, uiDevice(d))
	}
	return inputs, outputs, nil
}

func uiDevice(d session.Device) ui.Device {
	return ui.Device{ID: d.ID, Name: d.Name, Default: d.Default, Channels: d.Channels}
}

// hasDisplay tells whether a window can be opened at all.
func hasDisplay() error {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return nil // a window needs no such variable there
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return fmt.Errorf("there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); use gasso headless instead")
	}
	return nil
}

// addressFile keeps where servers were, beside the settings; empty without such a place.
func addressFile() string {
	path, err := settings.Path()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "addresses.json")
}
