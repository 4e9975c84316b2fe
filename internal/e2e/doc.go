// Package e2e holds tests that run the built programs on real parts: a sound server, ffmpeg, a
// window, a browser. Run them by make e2e.
package e2e
