package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"roundhouse/oauth"
)

// audit prints the record, oldest first, a line of JSON for each event. A server
// may go on writing to it meanwhile.
func audit(ctx context.Context, cfg *config, s streams) error {
	since, err := parseSince(cfg.Since, time.Now())
	if err != nil {
		return usageError{err}
	}
	return withStore(ctx, cfg, func(_ string, store *oauth.SQLStore) error {
		out := bufio.NewWriter(s.out)
		if err := printEvents(ctx, store, oauth.EventQuery{User: cfg.User, Since: since, Limit: 1000}, json.NewEncoder(out)); err != nil {
			return err
		}
		return out.Flush()
	})
}

func printEvents(ctx context.Context, store oauth.EventStore, q oauth.EventQuery, out *json.Encoder) error {
	for {
		events, err := store.Events(ctx, q)
		if err != nil {
			return err
		}
		for i := range events {
			if err := out.Encode(events[i]); err != nil {
				return err
			}
			q.After = &events[i]
		}
		if len(events) < q.Limit {
			return nil
		}
	}
}

// parseSince reads a time ago, such as "7d" or "12h", or a date or time. Nothing
// means the beginning.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		text = days + "h"
		if ago, err := time.ParseDuration(text); err == nil && ago >= 0 && ago < 100_000*time.Hour {
			return now.Add(-24 * ago), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is neither a time ago, such as 7d or 12h, nor a date such as 2026-01-31", text)
}

func checkAudit(c *config) error {
	if _, err := parseSince(c.Since, time.Now()); err != nil {
		return err
	}
	return c.checkStore()
}
