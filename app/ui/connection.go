package ui

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"gasso/app/settings"
	"gasso/net/signaling"
)

// Where sound is kept that cannot be sent yet, as it can be chosen.
const (
	keepOnDisk   = "disk" // in the account's cache
	keepInMemory = "memory"
	keepInFolder = "folder"
)

// connectionActions are what the card of the connection can do.
type connectionActions struct {
	keep    func(change func(*settings.Settings)) error // refuses what is not possible
	checkCA func(file string) error
}

// connectionCard holds how the server and the others are reached. What it changes counts from the next join.
type connectionCard struct {
	desk        *desk
	act         connectionActions
	now         settings.Settings
	ways        *choice
	wayNote     *widget.Label
	least, most *openSelect
	ca          *textEntry
	keeps       *choice
	keepNote    *widget.Label
	folder      *textEntry
	folderBox   *fyne.Container
	room        *openSelect
	roomBox     *fyne.Container
	choosing    bool // a folder of one's own, whose path is still missing
	problem     *widget.Label
	view        *fyne.Container
}

func newConnectionCard(d *desk, act connectionActions) *connectionCard {
	c := &connectionCard{desk: d, act: act, wayNote: newNote("", true), keepNote: newNote("", true), problem: newNote("", false)}
	c.problem.Importance = widget.WarningImportance
	c.problem.Hide()
	c.ways = newChoice(d, func(way string) { c.keep(func(s *settings.Settings) { s.Topology = signaling.Topology(way) }) },
		string(signaling.TopologyAuto), d.say("way.auto"), string(signaling.TopologyP2P), d.say("way.p2p"), string(signaling.TopologySFU), d.say("way.sfu"))
	c.least = c.number(func(s *settings.Settings, n int) { s.BitrateMinBPS = n })
	c.most = c.number(func(s *settings.Settings, n int) { s.BitrateMaxBPS = n })
	c.room = c.number(func(s *settings.Settings, n int) { s.SpoolMB = n })
	c.ca = c.path(d.say("prefs.ca.hint"), c.keepCA)
	c.keeps = newChoice(d, c.pickKeep, keepOnDisk, d.say("keep.disk"), keepInMemory, d.say("keep.memory"), keepInFolder, d.say("keep.folder"))
	c.folder = c.path(d.say("prefs.folder.hint"), c.keepFolder)
	c.folderBox = caption(d, d.say("prefs.folder"), c.folder)
	c.roomBox = caption(d, d.say("prefs.spoolmb"), c.room)
	c.view = newColumn(12, -1, newText(d.say("prefs.connection"), sizeTitle, shadeText, true),
		newColumn(0, -1, caption(d, d.say("prefs.way"), c.ways.row), c.wayNote),
		newColumn(0, -1, newRow(10, caption(d, d.say("prefs.least"), c.least), caption(d, d.say("prefs.most"), c.most)), newNote(d.say("prefs.bitrate.note"), true)),
		newColumn(0, -1, caption(d, d.say("prefs.keep"), c.keeps.row), c.keepNote), c.folderBox, c.roomBox,
		newColumn(0, -1, caption(d, d.say("prefs.ca"), c.ca), newNote(d.say("prefs.ca.note"), true)),
		c.problem, newNote(d.say("prefs.connection.note"), true))
	return c
}

// name tells the map of the window where the controls are.
func (c *connectionCard) name(spots map[string]fyne.CanvasObject) {
	for name, o := range map[string]fyne.CanvasObject{"least": c.least, "most": c.most, "ca": c.ca, "folder": c.folder, "spoolmb": c.room} {
		spots["prefs."+name] = o
	}
	for i, value := range c.ways.values {
		spots["prefs.way."+value] = c.ways.buttons[i]
	}
	for i, value := range c.keeps.values {
		spots["prefs.keep."+value] = c.keeps.buttons[i]
	}
}

// number is a list of numbers, of which one is chosen.
func (c *connectionCard) number(put func(*settings.Settings, int)) *openSelect {
	return newOpenSelect(func(text string) {
		if n, err := strconv.Atoi(text); err == nil {
			c.keep(func(s *settings.Settings) { put(s, n) })
		}
	})
}

// path is an entry for a path; Enter or leaving it keeps it.
func (c *connectionCard) path(hint string, keep func(path string)) *textEntry {
	e := newTextEntry(c.desk, hint)
	commit := func() { keep(strings.TrimSpace(e.Text)) }
	e.onLost = commit
	e.OnSubmitted = func(string) { commit() }
	e.onEscape = func() { e.SetText(e.kept) }
	return e
}

// keep changes the settings; what is not possible is said and changes nothing.
func (c *connectionCard) keep(change func(*settings.Settings)) {
	c.fail(c.act.keep(change))
}

func (c *connectionCard) fail(err error) {
	text := ""
	if err != nil {
		text = c.desk.words.tell(err.Error())
		c.set(c.now)
	}
	if c.problem.Text == text {
		return
	}
	c.problem.SetText(text)
	setShown(c.problem, text != "")
	c.view.Refresh()
}

func (c *connectionCard) keepCA(file string) {
	if file == c.now.CAFile {
		c.fail(nil)
		return
	}
	if err := c.act.checkCA(file); err != nil {
		c.fail(err)
		return
	}
	c.keep(func(s *settings.Settings) { s.CAFile = file })
}

func (c *connectionCard) pickKeep(where string) {
	c.choosing = where == keepInFolder
	switch where {
	case keepOnDisk:
		c.keep(func(s *settings.Settings) { s.SpoolDir = "" })
	case keepInMemory:
		c.keep(func(s *settings.Settings) { s.SpoolDir = settings.SpoolOff })
	default:
		c.set(c.now)
		c.desk.focus(c.folder)
	}
}

func (c *connectionCard) keepFolder(folder string) {
	if folder == "" || folder == c.now.SpoolDir {
		return // nothing was named: it stays as it is
	}
	c.keep(func(s *settings.Settings) { s.SpoolDir = filepath.Clean(folder) })
}

// keeping tells where sound is kept, as it is chosen.
func (c *connectionCard) keeping() string {
	switch {
	case c.choosing, c.now.SpoolDir != "" && c.now.SpoolDir != settings.SpoolOff:
		return keepInFolder
	case c.now.SpoolDir == settings.SpoolOff:
		return keepInMemory
	}
	return keepOnDisk
}

// set shows the settings.
func (c *connectionCard) set(s settings.Settings) {
	if s.SpoolDir != c.now.SpoolDir {
		c.choosing = false
	}
	c.now = s
	d := c.desk
	c.ways.set(string(s.Topology))
	c.wayNote.SetText(map[signaling.Topology]string{
		signaling.TopologyAuto: d.say("way.auto.note"), signaling.TopologyP2P: d.say("way.p2p.note"), signaling.TopologySFU: d.say("way.sfu.note"),
	}[s.Topology])
	kilobits := func(n int) string { return d.say("bitrate.kbits", "n", fmt.Sprint(float64(n)/1000)) }
	offerNumbers(c.least, d.say("bitrate.least.auto"), kilobits, s.BitrateMinBPS, 16_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000)
	offerNumbers(c.most, d.say("bitrate.most.auto"), kilobits, s.BitrateMaxBPS, 32_000, 64_000, 96_000, 128_000, 192_000, 256_000, 320_000, 510_000)
	megabytes := func(n int) string { return d.say("spool.mb", "n", strconv.Itoa(n)) }
	offerNumbers(c.room, d.say("spool.auto"), megabytes, s.SpoolMB, 64, 128, 512, 1024, 4096)
	where := c.keeping()
	c.keeps.set(where)
	c.keepNote.SetText(map[string]string{keepOnDisk: d.say("keep.disk.note"), keepInMemory: d.say("keep.memory.note"), keepInFolder: d.say("keep.folder.note")}[where])
	folder := s.SpoolDir
	if where != keepInFolder || folder == settings.SpoolOff {
		folder = ""
	}
	c.folder.show(folder)
	c.ca.show(s.CAFile)
	setShown(c.folderBox, where == keepInFolder)
	setShown(c.roomBox, where != keepInMemory)
	c.view.Refresh()
}

// offerNumbers lists what makes sense, 0 first under a name of its own, and what is chosen if it is another.
func offerNumbers(list *openSelect, auto string, name func(int) string, chosen int, sensible ...int) {
	values, names := []string{"0"}, []string{auto}
	add := func(n int) { values, names = append(values, strconv.Itoa(n)), append(names, name(n)) }
	for _, n := range sensible {
		add(n)
	}
	if indexOf(values, strconv.Itoa(chosen)) < 0 {
		add(chosen)
	}
	list.offer(values, names, indexOf(values, strconv.Itoa(chosen)))
}
