package ui

import (
	"encoding/json"
	"fmt"
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// uiMapVariable names a file that gets the places of the visible controls once a second: an aid for
// tests and tools that work the window from outside, since Fyne tells the system nothing of its
// controls. The file is {name: {x, y, w, h}} in pixels of the window, replaced as a whole.
const uiMapVariable = "GASSO_UI_MAP"

// spot is where a control is, in pixels of the window.
type spot struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// visibleSpots finds the named controls that can be seen and clicked.
func visibleSpots(root fyne.CanvasObject, names map[string]fyne.CanvasObject, scale float32, at fyne.Position) map[string]spot {
	byObject := make(map[fyne.CanvasObject]string, len(names))
	for name, o := range names {
		byObject[o] = name
	}
	found := map[string]spot{}
	var walk func(o fyne.CanvasObject, at fyne.Position)
	walk = func(o fyne.CanvasObject, at fyne.Position) {
		if !o.Visible() {
			return
		}
		at = at.Add(o.Position())
		if name, ok := byObject[o]; ok {
			found[name] = spot{int(at.X * scale), int(at.Y * scale), int(o.Size().Width * scale), int(o.Size().Height * scale)}
		}
		switch o := o.(type) {
		case *fyne.Container:
			for _, child := range o.Objects {
				walk(child, at)
			}
		case *container.Scroll:
			walk(o.Content, at) // the content's position is the scroll offset
		}
	}
	walk(root, at)
	return found
}

// writeSpots replaces the file at path.
func writeSpots(path string, spots map[string]spot) error {
	data, err := json.Marshal(spots)
	if err != nil {
		return fmt.Errorf("encode the map of the window: %w", err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("write the map of the window: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("replace the map of the window: %w", err)
	}
	return nil
}
