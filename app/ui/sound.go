package ui

import (
	"regexp"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

const (
	defaultDevice  = "device"
	mostChannels   = 16 // that are offered one by one
	channelsInRoom = 148
)

// channelMark is how a device spec ends that asks for one channel or two.
var channelMark = regexp.MustCompile(`^(device.*?)(#[0-9]+(?:\+[0-9]+)?)$`)

// splitChannels takes a device spec apart; mark is empty when it asks for all channels.
func splitChannels(spec string) (device, mark string) {
	if m := channelMark.FindStringSubmatch(spec); m != nil {
		return m[1], m[2]
	}
	return spec, ""
}

// openSelect is a choice whose list, when it is open, follows a change of what there is to choose.
type openSelect struct {
	widget.Select
	values []string // for each option
	onPick func(value string)
	quiet  bool              // while options change
	list   fyne.CanvasObject // that opened last; nil before
}

func newOpenSelect(onPick func(string)) *openSelect {
	s := &openSelect{onPick: onPick}
	s.PlaceHolder = " "
	s.ExtendBaseWidget(s)
	s.OnChanged = s.changed
	return s
}

func (s *openSelect) changed(string) {
	if i := s.SelectedIndex(); !s.quiet && i >= 0 {
		s.onPick(s.values[i])
	}
}

// offer lists what can be chosen, and what is.
func (s *openSelect) offer(values, names []string, chosen int) {
	same := len(names) == len(s.Options) && s.SelectedIndex() == chosen
	for i := 0; same && i < len(names); i++ {
		same = names[i] == s.Options[i] && values[i] == s.values[i]
	}
	if same {
		return
	}
	open := s.isOpen()
	s.quiet = true
	s.values = values
	s.SetOptions(names)
	s.SetSelectedIndex(chosen)
	s.quiet = false
	if open {
		s.canvas().Overlays().Remove(s.list)
		s.Tapped(nil)
	}
}

// Tapped implements fyne.Tappable.
func (s *openSelect) Tapped(e *fyne.PointEvent) {
	s.Select.Tapped(e)
	s.remember()
}

// TypedKey implements fyne.Focusable.
func (s *openSelect) TypedKey(e *fyne.KeyEvent) {
	s.Select.TypedKey(e)
	s.remember()
}

func (s *openSelect) canvas() fyne.Canvas { return fyne.CurrentApp().Driver().CanvasForObject(s) }

// remember keeps the list that has just opened.
func (s *openSelect) remember() {
	if c := s.canvas(); c != nil {
		s.list = c.Overlays().Top()
	}
}

// isOpen tells whether the list hangs open.
func (s *openSelect) isOpen() bool {
	c := s.canvas()
	return s.list != nil && c != nil && c.Overlays().Top() == s.list
}

// deviceChoice lets one of the devices be chosen by name, and its channels where it has several; its
// value is a device spec.
type deviceChoice struct {
	desk     *desk
	output   bool
	list     *openSelect
	channels *openSelect
	row      *fyne.Container
	devices  []Device
	value    string
	onPick   func(spec string)
}

func newDeviceChoice(d *desk, output bool, value string, onPick func(string)) *deviceChoice {
	c := &deviceChoice{desk: d, output: output, value: value, onPick: onPick}
	c.list = newOpenSelect(func(device string) { c.pick(device) })
	c.channels = newOpenSelect(func(mark string) {
		device, _ := splitChannels(c.value)
		c.pick(device + mark)
	})
	c.row = container.NewBorder(nil, nil, nil, withWidth(channelsInRoom, c.channels), c.list)
	c.offer(nil)
	return c
}

func (c *deviceChoice) pick(spec string) {
	if spec == c.value {
		return
	}
	c.value = spec
	c.offer(c.devices)
	c.onPick(spec)
}

// set shows another choice.
func (c *deviceChoice) set(spec string) {
	if spec != c.value {
		c.value = spec
		c.offer(c.devices)
	}
}

// offer lists the devices; a chosen one that is not among them stays listed as it was.
func (c *deviceChoice) offer(devices []Device) {
	c.devices = devices
	device, mark := splitChannels(c.value)
	specs, names := []string{defaultDevice}, []string{c.desk.say("device.default")}
	used, channels := map[string]int{}, 0
	for _, d := range devices {
		name := d.Name
		if used[name]++; used[name] > 1 {
			name += " (" + d.ID + ")"
		}
		spec := defaultDevice + ":" + d.ID
		specs, names = append(specs, spec), append(names, name)
		if spec == device || d.Default && device == defaultDevice {
			channels = d.Channels
		}
	}
	chosen := indexOf(specs, device)
	if chosen < 0 {
		chosen = len(names)
		specs, names = append(specs, device), append(names, c.specName())
	}
	c.list.offer(specs, names, chosen)
	c.offerChannels(channels, mark)
}

// offerChannels lists the single channels and the pairs of a device that has so many.
func (c *deviceChoice) offerChannels(n int, mark string) {
	marks, names := []string{""}, []string{c.desk.say("channels.all")}
	for i := 1; i <= min(n, mostChannels); i++ {
		one := strconv.Itoa(i)
		marks, names = append(marks, "#"+one), append(names, c.desk.say("channels.one", "n", one))
	}
	for i := 1; i < min(n, mostChannels); i += 2 {
		pair := strconv.Itoa(i) + "+" + strconv.Itoa(i+1)
		marks, names = append(marks, "#"+pair), append(names, c.desk.say("channels.two", "n", pair))
	}
	if indexOf(marks, mark) < 0 {
		marks, names = append(marks, mark), append(names, c.markName(mark, n > 0))
	}
	c.channels.offer(marks, names, indexOf(marks, mark))
	offered := mark != "" || n > 2 || n == 2 && !c.output
	if c.row.Objects[1].Visible() != offered {
		c.row.Objects[1].(*fyne.Container).Hidden = !offered
		c.row.Refresh()
	}
}

// markName names channels that are not offered: the device is not there, or has fewer.
func (c *deviceChoice) markName(mark string, fewer bool) string {
	text := strings.TrimPrefix(mark, "#")
	switch {
	case fewer:
		return c.desk.say("channels.gone", "n", text)
	case strings.Contains(text, "+"):
		return c.desk.say("channels.two", "n", text)
	}
	return c.desk.say("channels.one", "n", text)
}

func indexOf(list []string, text string) int {
	for i, s := range list {
		if s == text {
			return i
		}
	}
	return -1
}

// specName names a spec that is no listed device.
func (c *deviceChoice) specName() string {
	kind, rest, _ := strings.Cut(c.value, ":")
	switch kind {
	case defaultDevice:
		return c.desk.say("device.gone")
	case "file":
		return c.desk.say("device.file", "name", strings.TrimSuffix(rest[strings.LastIndexAny(rest, `/\`)+1:], "?loop"))
	case "tone":
		return c.desk.say("device.tone", "hz", rest)
	case "silence", "null":
		return c.desk.say("device.none")
	}
	return c.value
}

// caption is a quiet heading over a control.
func caption(d *desk, text string, o fyne.CanvasObject) *fyne.Container {
	return newColumn(3, -1, newText(text, sizeCaption, shadeDim, true), o)
}
