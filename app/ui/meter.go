package ui

import (
	"fmt"
	"math"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"

	"gasso/app/session"
)

const (
	meterFloorDB   = -60
	peakHoldFor    = 1500 * time.Millisecond
	peakFallPerSec = 20.0 // dB
)

// meterZones are the coloured parts of a meter from the bottom up: upper edge in dBFS and colour.
func meterZones() [3]struct {
	topDB float64
	shade shade
} {
	return [3]struct {
		topDB float64
		shade shade
	}{{-12, shadeGood}, {-3, shadeFair}, {0, shadeBad}}
}

// meterPosition places a level on a meter, 0 to 1, with most room where music lives.
func meterPosition(db float64) float32 {
	points := [...]struct{ db, at float64 }{{meterFloorDB, 0}, {-40, 0.14}, {-20, 0.46}, {-9, 0.72}, {0, 1}}
	if !(db > meterFloorDB) {
		return 0
	}
	for i := 1; i < len(points); i++ {
		if lo, hi := points[i-1], points[i]; db < hi.db {
			return float32(lo.at + (db-lo.db)/(hi.db-lo.db)*(hi.at-lo.at))
		}
	}
	return 1
}

// peakHold keeps the highest peak for a while and then lets it fall.
type peakHold struct {
	db   float64
	at   time.Time // when it was reached
	last time.Time
}

func (h *peakHold) add(db float64, now time.Time) {
	elapsed := now.Sub(h.last).Seconds()
	h.last = now
	switch {
	case db >= h.db || h.at.IsZero():
		h.db, h.at = db, now
	case now.Sub(h.at) > peakHoldFor:
		h.db = math.Max(db, h.db-peakFallPerSec*math.Min(elapsed, 1))
	}
}

// meter shows a level: RMS bright, the peak dimmer above it, the held peak as a line. It draws rectangles only,
// and nothing at all when no edge moved by a pixel.
type meter struct {
	widget.BaseWidget
	vertical bool
	scale    bool // dB figures beside a vertical meter
	thick    float32
	level    session.Level
	hold     peakHold
	parts    *meterParts
}

func newMeter(vertical, scale bool, thick float32) *meter {
	m := &meter{vertical: vertical, scale: scale, thick: thick, level: session.Level{PeakDB: -120, RMSDB: -120}, hold: peakHold{db: -120}}
	m.ExtendBaseWidget(m)
	return m
}

// set shows a level; it belongs to the main goroutine.
func (m *meter) set(l session.Level, now time.Time) {
	m.level = l
	m.hold.add(l.PeakDB, now)
	if m.parts != nil && m.Visible() && m.parts.place() {
		canvas.Refresh(m.parts.well)
	}
}

// CreateRenderer implements fyne.Widget.
func (m *meter) CreateRenderer() fyne.WidgetRenderer {
	p := &meterParts{m: m, well: canvas.NewRectangle(shadeWell), line: canvas.NewRectangle(shadeText)}
	p.objects = append(p.objects, p.well)
	for i, zone := range meterZones() {
		p.peak[i] = canvas.NewRectangle(zone.shade.dim(0x78))
		p.rms[i] = canvas.NewRectangle(zone.shade)
	}
	for _, rects := range [][3]*canvas.Rectangle{p.peak, p.rms} {
		for _, r := range rects {
			p.objects = append(p.objects, r)
		}
	}
	p.objects = append(p.objects, p.line)
	if m.scale {
		for _, db := range []int{0, -6, -12, -20, -40} {
			t := canvas.NewText(fmt.Sprintf("%d", -db), shadeFaint)
			t.TextSize = 9
			p.labels, p.labelDB = append(p.labels, t), append(p.labelDB, float64(db))
			p.objects = append(p.objects, t)
		}
	}
	m.parts = p
	return p
}

// meterParts are the rectangles of a meter.
type meterParts struct {
	m         *meter
	well      *canvas.Rectangle
	peak, rms [3]*canvas.Rectangle
	line      *canvas.Rectangle
	labels    []*canvas.Text
	labelDB   []float64
	objects   []fyne.CanvasObject
	size      fyne.Size
	drawn     [3]int // edges of peak, RMS and hold in pixels, as drawn
}

const meterLabelWidth = 18

func (p *meterParts) Destroy()                     {}
func (p *meterParts) Objects() []fyne.CanvasObject { return p.objects }
func (p *meterParts) Refresh()                     { p.Layout(p.m.Size()) }

func (p *meterParts) MinSize() fyne.Size {
	if !p.m.vertical {
		return fyne.NewSize(60, p.m.thick)
	}
	w := p.m.thick
	if p.m.scale {
		w += meterLabelWidth
	}
	return fyne.NewSize(w, 80)
}

func (p *meterParts) Layout(size fyne.Size) {
	p.size = size
	if p.m.vertical {
		p.size.Width = p.m.thick
	}
	p.well.Resize(p.size)
	for i, t := range p.labels {
		y := p.size.Height * (1 - meterPosition(p.labelDB[i]))
		t.Move(fyne.NewPos(p.m.thick+4, min(max(y-7, -3), p.size.Height-11)))
	}
	p.drawn = [3]int{-1, -1, -1}
	p.place()
	canvas.Refresh(p.well)
}

// place moves the rectangles to the present level and tells whether anything moved.
func (p *meterParts) place() bool {
	length := p.size.Width
	if p.m.vertical {
		length = p.size.Height
	}
	edges := [3]float32{meterPosition(p.m.level.PeakDB) * length, meterPosition(p.m.level.RMSDB) * length, meterPosition(p.m.hold.db) * length}
	now := [3]int{int(edges[0]), int(edges[1]), int(edges[2])}
	if now == p.drawn {
		return false
	}
	p.drawn = now
	var from float32
	for i, zone := range meterZones() {
		to := meterPosition(zone.topDB) * length
		p.bar(p.peak[i], max(from, edges[1]), min(to, edges[0]))
		p.bar(p.rms[i], from, min(to, edges[1]))
		from = to
	}
	p.placeLine(edges[2])
	return true
}

func (p *meterParts) placeLine(at float32) {
	p.line.Hidden = at < 2
	p.line.FillColor = shadeText
	if p.m.hold.db > -1 {
		p.line.FillColor = shadeBad
	}
	p.bar(p.line, at-2, at)
	p.line.Hidden = at < 2
}

// bar puts a rectangle between two distances from the quiet end.
func (p *meterParts) bar(r *canvas.Rectangle, from, to float32) {
	from, to = float32(math.Round(float64(from))), float32(math.Round(float64(to)))
	r.Hidden = to <= from
	if r.Hidden {
		return
	}
	if p.m.vertical {
		r.Move(fyne.NewPos(1, p.size.Height-to))
		r.Resize(fyne.NewSize(p.size.Width-2, to-from))
		return
	}
	r.Move(fyne.NewPos(from, 1))
	r.Resize(fyne.NewSize(to-from, p.size.Height-2))
}

// levelText is a level in words of one decimal, or the sign for silence.
func levelText(db float64) string {
	if db <= meterFloorDB {
		return "-∞"
	}
	return fmt.Sprintf("%.1f", db)
}
