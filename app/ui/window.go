package ui

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"

	"gasso/app/session"
	"gasso/app/settings"
)

// page is one of the window's screens.
type page string

const (
	pageJoin        page = "join"
	pageStage       page = "stage"
	pagePrefs       page = "settings"
	pageDiagnostics page = "diagnostics"
	pageAbout       page = "about"
)

const (
	frameEvery = time.Second / 16 // drawn frames; every one paints the whole window, so more would cost
	noticeFor  = 8 * time.Second
	keepAfter  = time.Second / 2 // a fader that moves is not saved at every step
)

// running is a session under way.
type running struct {
	engine Engine
	cancel context.CancelFunc
}

// window holds the screens. Everything in it belongs to the main goroutine except what says otherwise.
type window struct {
	opts  Options
	log   *slog.Logger
	store *settings.Store
	look  *look
	app   fyne.App
	win   fyne.Window
	desk  *desk

	page   page
	bar    *topBar
	banner *banner
	body   *fyne.Container // the page
	join   *joinScreen
	stage  *stage
	prefs  *prefsPage
	diag   *diagnosticsPage
	about  *fyne.Container

	inputs, outputs []Device
	run             *running
	muted, held     bool // held: Space is down and muted
	notice          string
	noticeAt        time.Time
	quiet           quietWords
	unkept          time.Time // when the monitor was set that is not saved yet; zero without
	mapPath         string
	mapped          time.Time

	live   atomic.Pointer[running] // the same as run, for the drawing goroutine
	away   away
	relist chan struct{} // 1 slot: devices are to be listed now
	choose atomic.Bool   // devices can be chosen on the page that is shown
	check  *soundchecks
	busy   atomic.Bool // a frame waits to be drawn
	ctx    context.Context
	end    context.CancelFunc
	tasks  sync.WaitGroup

	handing sync.Mutex // held by the one task that hands a device over
	resting bool       // nobody has looked for a long while: this is the last picture
}

func newWindow(a fyne.App, opts Options) (*window, error) {
	w := &window{opts: opts, log: opts.Log, store: opts.Settings, app: a, look: newLook(), mapPath: os.Getenv(uiMapVariable), relist: make(chan struct{}, 1)}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.store == nil {
		w.store = settings.Open("", w.log)
	}
	w.ctx, w.end = context.WithCancel(context.Background())
	w.check = newSoundchecks(opts.Backend.NewSoundcheck, func(err error) { fyne.Do(func() { w.soundcheckFailed(err) }) })
	a.Settings().SetTheme(w.look)
	w.win = a.NewWindow("Gasso")
	w.win.SetPadded(false)
	if err := w.build(); err != nil {
		return nil, err
	}
	size := w.store.Get().Window
	w.win.Resize(fyne.NewSize(size.Width, size.Height))
	w.keys()
	if opts.Invite != "" {
		w.join.invite.SetText(opts.Invite)
		if w.join.token == "" {
			w.join.fail(w.desk.say("join.badlink"))
		}
	}
	return w, nil
}

// build makes every screen anew in the language that is chosen.
func (w *window) build() error {
	prefs := w.store.Get()
	texts, err := loadWords(pickLanguage(w.opts.Lang, prefs.Language))
	if err != nil {
		return err
	}
	if err := texts.toFyne(); err != nil {
		return err
	}
	w.desk = &desk{
		words: texts, keyDown: w.keyDown, keyUp: w.keyUp, spaceMutes: func() bool { return w.run != nil }, toggleMute: w.toggleMute,
		copyText: func(text string) { w.app.Clipboard().SetContent(text) }, spots: map[string]fyne.CanvasObject{},
		focus: func(f fyne.Focusable) {
			if f == nil {
				w.win.Canvas().Unfocus()
				return
			}
			w.win.Canvas().Focus(f)
		},
	}
	typed := w.join
	w.join = newJoinScreen(w.desk, prefs, joinActions{parse: w.opts.Backend.ParseInvite, join: w.startJoin, keep: w.save, input: w.checkInput})
	if typed != nil {
		w.join.takeOver(typed)
	}
	w.prefs = newPrefsPage(w.desk, prefs, w.opts.Backend.SoundSystems, prefsActions{
		language: w.pickLanguage, soundSystem: w.pickSoundSystem, input: w.pickInput, output: w.pickOutput,
		processing: w.setProcessing, mode: w.setMode, monitor: w.setMonitor, cpuLimit: w.setCPULimit,
		connection: connectionActions{keep: w.keepConnection, checkCA: w.opts.Backend.CheckCA},
	})
	w.diag = newDiagnosticsPage(w.desk)
	w.about = newAboutPage(w.desk, w.opts.Version, w.look.complete())
	w.bar = newTopBar(w.desk, barActions{show: w.show, leave: w.leave, mute: w.toggleMute})
	w.banner = newBanner()
	w.desk.spots["banner"] = w.banner.view
	w.body = container.NewStack()
	if w.run != nil {
		w.newStage()
	}
	w.offerDevices()
	top := newColumn(0, -1, w.bar.view, w.banner.view)
	w.win.SetContent(container.NewBorder(top, nil, nil, nil, newInset(8, w.body)))
	if w.page == "" {
		w.page = pageJoin
	}
	w.show(w.page)
	return nil
}

func (w *window) newStage() {
	engine := w.run.engine
	w.stage = newStage(w.desk, engine, ownActions{
		mute: w.toggleMute, processing: w.setProcessing, mode: w.setMode,
		monitor: func(on bool) { w.setMonitor(on, w.prefs.now.MonitorGainDB) },
	})
}

// show brings up a page; the stage needs a session, the join screen none.
func (w *window) show(p page) {
	switch {
	case w.run == nil && (p == pageStage || p == pageDiagnostics):
		p = pageJoin
	case w.run != nil && p == pageJoin:
		p = pageStage
	}
	w.page = p
	content := map[page]fyne.CanvasObject{pageJoin: w.join.view, pagePrefs: w.prefs.view, pageDiagnostics: w.diag.view, pageAbout: w.about}[p]
	if p == pageStage {
		content = w.stage.view
	}
	w.body.Objects = []fyne.CanvasObject{content}
	w.body.Refresh()
	w.bar.setPage(p, w.run != nil)
	if w.choose.Store(p == pageJoin || p == pagePrefs); w.choose.Load() {
		w.listDevices()
	}
	if p == pageJoin && w.ctx.Err() == nil {
		w.checkInput(w.store.Get().Input)
	}
}

// checkInput lets the soundcheck listen to an input.
func (w *window) checkInput(input string) { w.check.want(input, w.store.Get().SoundSystem) }

func (w *window) offerDevices() {
	w.join.input.offer(w.inputs)
	w.join.output.offer(w.outputs)
	w.prefs.input.offer(w.inputs)
	w.prefs.output.offer(w.outputs)
}

func (w *window) soundcheckFailed(err error) {
	w.log.Warn("soundcheck failed", "error", err)
	if w.page == pageJoin {
		w.join.fail(w.desk.say("join.nosound", "error", w.desk.words.tell(err.Error())))
	}
}

// keys binds the stage's keys for when no control has the focus; controls pass theirs on.
func (w *window) keys() {
	c, ok := w.win.Canvas().(desktop.Canvas)
	if ok {
		c.SetOnKeyDown(w.keyDown)
		c.SetOnKeyUp(w.keyUp)
	}
	ctrlM := &desktop.CustomShortcut{KeyName: fyne.KeyM, Modifier: fyne.KeyModifierShortcutDefault}
	w.win.Canvas().AddShortcut(ctrlM, func(fyne.Shortcut) { w.toggleMute() })
	w.win.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) {
		if e.Name == fyne.KeyEscape && w.run != nil {
			w.stage.detail.hide()
			w.show(pageStage)
		}
	})
}

func (w *window) keyDown(e *fyne.KeyEvent) {
	switch {
	case e.Name == fyne.KeyM && w.modifiers() == 0:
		w.toggleMute()
	case e.Name == fyne.KeySpace && w.run != nil && !w.muted:
		w.held = true
		w.setMuted(true)
	}
}

func (w *window) keyUp(e *fyne.KeyEvent) {
	if e.Name == fyne.KeySpace && w.held {
		w.held = false
		w.setMuted(false)
	}
}

// modifiers are the keys held besides, where the driver knows.
func (w *window) modifiers() fyne.KeyModifier {
	if d, ok := w.app.Driver().(desktop.Driver); ok {
		return d.CurrentKeyModifiers()
	}
	return 0
}

func (w *window) toggleMute() {
	w.held = false
	w.setMuted(!w.muted)
}

func (w *window) setMuted(muted bool) {
	if w.run == nil {
		return
	}
	w.muted = muted
	w.run.engine.SetMuted(muted)
}

// tell shows a line in the banner for some seconds.
func (w *window) tell(text string) { w.notice, w.noticeAt = text, time.Now() }

// draw shows one frame: a session's snapshot, or the soundcheck's level on the join screen.
func (w *window) draw(snap *session.Snapshot, level session.Level, now time.Time) {
	if !w.unkept.IsZero() && now.Sub(w.unkept) > keepAfter {
		w.keepMonitor()
	}
	problem := ""
	if now.Sub(w.noticeAt) < noticeFor {
		problem = w.notice
	}
	if snap == nil || w.run == nil {
		if w.page == pageJoin {
			w.join.draw(level, now)
		}
		w.banner.set(problem, "")
		w.drawMap(now)
		return
	}
	w.muted = snap.Self.Muted
	if snap.Problem != "" {
		problem = w.desk.words.tell(snap.Problem)
	}
	if said := bannerText(w.desk.words, snap.Findings); said != "" {
		problem = strings.TrimSpace(problem + " " + said)
	}
	quiet := w.desk.words.tell(strings.TrimSpace(snap.Self.News + " " + w.quiet.next(snap.Self.Governor, snap.Self.Mode, now)))
	w.banner.set(problem, quiet)
	w.bar.draw(*snap, now)
	switch w.page {
	case pageStage:
		w.stage.draw(*snap, w.resting, now)
	case pagePrefs:
		w.prefs.draw(snap.Self)
	case pageDiagnostics:
		w.diag.draw(*snap, now)
	}
	w.drawMap(now)
}

func (w *window) drawMap(now time.Time) {
	if w.mapPath == "" || now.Sub(w.mapped) < time.Second {
		return
	}
	w.mapped = now
	spots := visibleSpots(w.win.Content(), w.desk.spots, w.win.Canvas().Scale(), fyne.NewPos(0, 0))
	if err := writeSpots(w.mapPath, spots); err != nil {
		w.log.Warn("the map of the window cannot be written", "error", fmt.Sprint(err))
	}
}
