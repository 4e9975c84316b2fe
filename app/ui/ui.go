// Package ui is the performer's window: join, soundcheck, stage, on-air panel, chat, settings and
// diagnostics, drawn with Fyne from the snapshots of a session. It sends commands and draws
// snapshots; the engine behind it is an interface.
package ui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"

	"gasso/app/session"
	"gasso/app/settings"
	"gasso/assets/desktop"
)

// appID is the same as in FyneApp.toml.
const appID = "app.gasso.desktop"

// Options are what the window is started with.
type Options struct {
	Backend  Backend
	Settings *settings.Store // nil keeps nothing
	Invite   string          // an invite link to begin with; may be empty
	AutoJoin bool            // join at once when invite or settings say enough
	Lang     string          // "ja", "en" or empty: by settings, then by the system
	Version  string          // shown on the about page
	Log      *slog.Logger    // nil discards
}

// Backend is what the window needs of the program around it. Join and Devices may take seconds and
// are called outside the main goroutine.
type Backend struct {
	Join          func(JoinRequest) (Engine, error)
	Devices       func(soundSystem string) (inputs, outputs []Device, err error)
	SoundSystems  []string // that this kind of computer may have
	NewSoundcheck func(input, soundSystem string) (Soundcheck, error)
	ParseInvite   func(link string) (Invite, error)
	CheckCA       func(file string) error // whether it holds certificate authorities
}

// JoinRequest is what a performer asked for, on the join screen and in the settings.
type JoinRequest struct {
	Server, Room, Name, Token string
	Input, Output             string // device specs such as "device" or "device:ID"
	Mode                      session.Mode
	Processing                session.Processing
	SoundSystem               string // empty chooses
	CPULimitPercent           int    // of one core; 0 for none
	MonitorOn                 bool
	MonitorGainDB             float64
}

// Invite is what an invite link holds.
type Invite struct{ Server, Room, Token string }

// Device is a microphone or a loudspeaker that can be chosen.
type Device struct {
	ID, Name string
	Default  bool
	Channels int // 0 when unknown
}

// Engine is a session as the window uses it. Every method is safe from any goroutine; only Run,
// SetInput and SetOutput may take longer than a moment.
type Engine interface {
	Run(ctx context.Context) error // until ctx ends or the session cannot go on
	Snapshot() session.Snapshot
	SetHidden(hidden bool)
	SetCPULimit(percent int)
	Microphone
	Mixer
	Broadcast
}

// Microphone is the performer's own sound.
type Microphone interface {
	SetMuted(muted bool)
	SetProcessing(p session.Processing)
	SetMode(m session.Mode)
	SetInput(spec string) error
	SetOutput(spec string) error
	SetSoundSystem(name string) error // of inputs and outputs that are set from then on
	SetMonitor(on bool, gainDB float64)
}

// Mixer is what the performer hears: one strip for each of the others, by participant id.
type Mixer interface {
	SetStrip(id string, s session.Strip)
}

// Broadcast is what a host does for listeners, and the chat of the room.
type Broadcast interface {
	SetProgramStrip(id string, s session.Strip)
	SetOnAir(live bool)
	SendChat(text string) error
}

// Soundcheck listens to a microphone before joining.
type Soundcheck interface {
	Level() session.Level
	Close()
}

// Run opens the window and returns when it is closed. It must be called on the main goroutine.
func Run(opts Options) error {
	if opts.Backend.Join == nil || opts.Backend.Devices == nil || opts.Backend.NewSoundcheck == nil || opts.Backend.ParseInvite == nil || opts.Backend.CheckCA == nil {
		return errors.New("the window has no engine behind it")
	}
	a := app.NewWithID(appID)
	a.SetIcon(fyne.NewStaticResource("icon.png", desktop.Icon()))
	w, err := newWindow(a, opts)
	if err != nil {
		return fmt.Errorf("open the window: %w", err)
	}
	a.Lifecycle().SetOnStarted(w.start)
	a.Lifecycle().SetOnStopped(w.end) // by a signal too: nothing is drawn any more
	a.Lifecycle().SetOnExitedForeground(func() { w.away.leave(time.Now()) })
	a.Lifecycle().SetOnEnteredForeground(w.away.enter)
	w.win.SetOnClosed(w.closed)
	w.win.SetMaster()
	w.win.ShowAndRun()
	w.stop()
	return nil
}

// closed ends the drawing and keeps the window's size for next time.
func (w *window) closed() {
	w.end()
	w.keepMonitor()
	size := w.win.Canvas().Size()
	w.save(func(s *settings.Settings) { s.Window = settings.Window{Width: size.Width, Height: size.Height} })
}
