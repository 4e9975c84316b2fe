// Package browser drives a real Chromium through a listener's visit, for tests. It needs node,
// playwright-core (fetched by `make setup`) and /usr/bin/chromium.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Visit says what the listener does.
type Visit struct {
	URL         string    `json:"url"`
	Play        bool      `json:"play,omitempty"`        // press the play button
	Press       []string  `json:"press,omitempty"`       // CSS selectors of buttons to press, after play
	State       string    `json:"state,omitempty"`       // moment of the page to wait for, such as "playing"
	Then        string    `json:"then,omitempty"`        // moment to wait for after that
	Tolerate    string    `json:"tolerate,omitempty"`    // console errors with this text are no problems
	Frequencies []float64 `json:"frequencies,omitempty"` // Hz to measure in what is played
	ListenMS    int       `json:"listenMs,omitempty"`    // how long to measure
	SettleMS    int       `json:"settleMs,omitempty"`    // wait before the picture
	Screenshot  string    `json:"screenshot,omitempty"`  // PNG file to write
	Width       int       `json:"width,omitempty"`       // of the window in CSS pixels; below 600 it is a phone
	Height      int       `json:"height,omitempty"`
	Scale       float64   `json:"scale,omitempty"`  // device pixels for each CSS pixel
	Locale      string    `json:"locale,omitempty"` // such as "ja-JP"
	Flags       []string  `json:"flags,omitempty"`  // further flags of the browser
	TimeoutMS   int       `json:"timeoutMs,omitempty"`
}

// Report is what the listener saw and heard.
type Report struct {
	Error         string      `json:"error"`         // what could not be done; empty when all went well
	Problems      []string    `json:"problems"`      // errors in the console, content policy violations, foreign requests
	Moment        string      `json:"moment"`        // the page's moment at the end
	Text          string      `json:"text"`          // all visible text
	Language      string      `json:"language"`      // "ja" or "en"
	Clipboard     string      `json:"clipboard"`     // after a press of "#copy"
	LevelsDB      [][]float64 `json:"levelsDB"`      // dBFS by channel and frequency
	PlayedSeconds float64     `json:"playedSeconds"` // position of the media element
	Wide          bool        `json:"wide"`          // the page scrolls sideways
	Tall          int         `json:"tall"`          // CSS pixels that do not fit the height
}

var errMissing = errors.New("node, playwright-core or Chromium is missing; run make setup")

// Run carries out one visit, in a fresh browser with an empty profile.
func Run(ctx context.Context, v Visit) (*Report, error) {
	_, self, _, _ := runtime.Caller(0)
	folder := filepath.Dir(self)
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errMissing
	}
	for _, path := range []string{"/usr/bin/chromium", filepath.Join(folder, "../../node_modules/playwright-core")} {
		if _, err := os.Stat(path); err != nil {
			return nil, errMissing
		}
	}
	order, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write order: %w", err)
	}
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, node, filepath.Join(folder, "listener.mjs"), string(order))
	cmd.Stderr = &complaint
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run browser: %w: %s", err, complaint.Bytes())
	}
	var r Report
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	return &r, nil
}
