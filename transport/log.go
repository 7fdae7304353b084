package transport

import (
	"context"
	"log/slog"
)

// discreet is the log for mcp-go, whose messages are constant and whose details
// name sessions, and quote clients.
type discreet struct{ slog.Handler }

func (h discreet) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, r.Message, r.PC))
}

func (h discreet) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h discreet) WithGroup(string) slog.Handler      { return h }
