package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// evenRow shares the width equally.
type evenRow struct{ gap float32 }

func newRow(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(evenRow{gap}, objects...)
}

// Layout implements fyne.Layout.
func (r evenRow) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	if len(objects) == 0 {
		return
	}
	n := float32(len(objects))
	w := (size.Width - r.gap*(n-1)) / n
	for i, o := range objects {
		place(o, float32(i)*(w+r.gap), 0, w, size.Height)
	}
}

// MinSize implements fyne.Layout.
func (r evenRow) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var w, h float32
	for _, o := range objects {
		w, h = max(w, o.MinSize().Width), max(h, o.MinSize().Height)
	}
	n := float32(len(objects))
	return fyne.NewSize(w*n+r.gap*max(n-1, 0), h)
}

// column stacks objects; grow is the index of the one that takes the height that is left, -1 for none.
type column struct {
	gap  float32
	grow int
}

func newColumn(gap float32, grow int, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(column{gap, grow}, objects...)
}

// Layout implements fyne.Layout.
func (c column) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	left := size.Height - c.MinSize(objects).Height
	var y float32
	for i, o := range objects {
		if !o.Visible() {
			continue
		}
		h := o.MinSize().Height
		if i == c.grow {
			h += max(left, 0)
		}
		place(o, 0, y, size.Width, h)
		y += h + c.gap
	}
}

// MinSize implements fyne.Layout.
func (c column) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var w, h float32
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		if h > 0 {
			h += c.gap
		}
		w, h = max(w, o.MinSize().Width), h+o.MinSize().Height
	}
	return fyne.NewSize(w, h)
}

// stripRow puts strips side by side, none narrower or wider than a strip should be.
type stripRow struct{ narrow, wide, gap float32 }

// Layout implements fyne.Layout.
func (r stripRow) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	n := float32(len(objects))
	if n == 0 {
		return
	}
	w := min(max((size.Width-r.gap*(n-1))/n, r.narrow), r.wide)
	for i, o := range objects {
		place(o, float32(i)*(w+r.gap), 0, w, size.Height)
	}
}

// MinSize implements fyne.Layout.
func (r stripRow) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var h float32
	for _, o := range objects {
		h = max(h, o.MinSize().Height)
	}
	n := float32(len(objects))
	return fyne.NewSize(max(r.narrow*n+r.gap*(n-1), 0), h)
}

// fixedWidth gives its object a width whatever it asks for.
type fixedWidth struct{ width float32 }

func withWidth(width float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(fixedWidth{width}, o)
}

// Layout implements fyne.Layout.
func (f fixedWidth) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		place(o, 0, 0, size.Width, size.Height)
	}
}

// MinSize implements fyne.Layout.
func (f fixedWidth) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var h float32
	for _, o := range objects {
		h = max(h, o.MinSize().Height)
	}
	return fyne.NewSize(f.width, h)
}

// newGap is room between two objects of a column.
func newGap(height float32) *canvas.Rectangle {
	gap := canvas.NewRectangle(shadeClear)
	gap.SetMinSize(fyne.NewSize(1, height))
	return gap
}

// newCard puts content on a raised surface with a margin.
func newCard(margin float32, content fyne.CanvasObject) *fyne.Container {
	back := canvas.NewRectangle(shadeCard)
	back.CornerRadius = 10
	return container.NewStack(back, newInset(margin, content))
}

func newInset(margin float32, content fyne.CanvasObject) *fyne.Container {
	return container.New(inset{margin}, content)
}

// inset leaves a margin around its objects.
type inset struct{ margin float32 }

// Layout implements fyne.Layout.
func (i inset) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		place(o, i.margin, i.margin, size.Width-2*i.margin, size.Height-2*i.margin)
	}
}

// MinSize implements fyne.Layout.
func (i inset) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		s = s.Max(o.MinSize())
	}
	return s.AddWidthHeight(2*i.margin, 2*i.margin)
}

// newText is one line of text that does not wrap.
func newText(text string, size float32, colour shade, bold bool) *canvas.Text {
	t := canvas.NewText(text, colour)
	t.TextSize, t.TextStyle.Bold = size, bold
	return t
}

// setText changes a line only when it differs, since each change draws its glyphs anew.
func setText(t *canvas.Text, text string, colour shade) {
	if t.Text == text && t.Color == colour {
		return
	}
	t.Text, t.Color = text, colour
	t.Refresh()
}

// newNote is a paragraph that wraps, in the quieter colour when dim.
func newNote(text string, dim bool) *widget.Label {
	l := widget.NewLabel(text)
	l.Wrapping = fyne.TextWrapWord
	if dim {
		l.SizeName = theme.SizeNameCaptionText
		l.Importance = widget.LowImportance
	}
	return l
}

// newName is a bold name that ends in an ellipsis when the place is short.
func newName(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}
