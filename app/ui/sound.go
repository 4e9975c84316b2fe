package ui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

const defaultDevice = "device"

// deviceChoice lets one of the devices be chosen by name; its value is a device spec.
type deviceChoice struct {
	desk   *desk
	list   *widget.Select
	specs  []string // for each option
	value  string
	onPick func(spec string)
	quiet  bool // while options change
}

func newDeviceChoice(d *desk, value string, onPick func(string)) *deviceChoice {
	c := &deviceChoice{desk: d, value: value, onPick: onPick}
	c.list = widget.NewSelect(nil, c.picked)
	c.offer(nil)
	return c
}

func (c *deviceChoice) picked(string) {
	i := c.list.SelectedIndex()
	if c.quiet || i < 0 || c.specs[i] == c.value {
		return
	}
	c.value = c.specs[i]
	c.onPick(c.value)
}

// offer lists the devices; a chosen one that is not among them stays listed as it was.
func (c *deviceChoice) offer(devices []Device) {
	c.specs = []string{defaultDevice}
	names := []string{c.desk.say("device.default")}
	used := map[string]int{}
	for _, d := range devices {
		name := d.Name
		if used[name]++; used[name] > 1 {
			name += " (" + d.ID + ")"
		}
		c.specs, names = append(c.specs, defaultDevice+":"+d.ID), append(names, name)
	}
	chosen := -1
	for i, spec := range c.specs {
		if spec == c.value {
			chosen = i
		}
	}
	if chosen < 0 {
		chosen = len(names)
		c.specs, names = append(c.specs, c.value), append(names, c.specName())
	}
	c.quiet = true
	c.list.SetOptions(names)
	c.list.SetSelectedIndex(chosen)
	c.quiet = false
}

// specName names a spec that is no listed device.
func (c *deviceChoice) specName() string {
	kind, rest, _ := strings.Cut(c.value, ":")
	switch kind {
	case defaultDevice:
		return c.desk.say("device.gone")
	case "file":
		return c.desk.say("device.file", "name", rest[strings.LastIndexAny(rest, `/\`)+1:])
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
