package peer

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog hands pion's own log to slog. What pion calls an error is mostly the other side's doing, so
// everything goes down a level or two.
type pionLog struct {
	log   *slog.Logger
	scope string
}

// NewLogger implements logging.LoggerFactory.
func (p pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{log: p.log, scope: scope}
}

func (p pionLog) write(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if p.log.Enabled(ctx, level) {
		p.log.Log(ctx, level, "webrtc", "scope", p.scope, "text", fmt.Sprintf(format, args...))
	}
}

func (p pionLog) Error(msg string)               { p.write(slog.LevelInfo, "%s", []any{msg}) }
func (p pionLog) Errorf(format string, a ...any) { p.write(slog.LevelInfo, format, a) }
func (p pionLog) Warn(msg string)                { p.write(slog.LevelDebug, "%s", []any{msg}) }
func (p pionLog) Warnf(format string, a ...any)  { p.write(slog.LevelDebug, format, a) }
func (p pionLog) Info(string)                    {}
func (p pionLog) Infof(string, ...any)           {}
func (p pionLog) Debug(string)                   {}
func (p pionLog) Debugf(string, ...any)          {}
func (p pionLog) Trace(string)                   {}
func (p pionLog) Tracef(string, ...any)          {}
