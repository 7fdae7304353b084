package query

import (
	"slices"
	"strings"
)

var (
	wholeSeconds = column{typ: Duration, unit: second}
	several      = column{typ: Array}
)

func severalOf(attribute string) column { return column{typ: Array, attrs: []string{attribute}} }

// replays have lists of much that other items have one of.
var replays = &dataset{
	name: "replays", kind: "replay", apart: true,
	text:   []string{"user.display_name", "user.email", "urls"},
	arrays: []string{"click.", "tap.", "dead.", "rage."},
	columns: map[string]column{
		"id":                {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"replay_id":         {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"started_at":        {expr: `(it.attrs ->> '$."started_at"')`, typ: Date},
		"finished_at":       {expr: `(it.attrs ->> '$."finished_at"')`, typ: Date},
		"duration":          wholeSeconds,
		"activity":          plainInteger,
		"count_errors":      plainInteger,
		"count_warnings":    plainInteger,
		"count_infos":       plainInteger,
		"count_segments":    plainInteger,
		"count_urls":        plainInteger,
		"count_dead_clicks": plainInteger,
		"count_rage_clicks": plainInteger,
		"is_archived":       yesNo,
		"trace":             severalOf("trace_ids"),
		"trace_id":          severalOf("trace_ids"),
		"trace_ids":         several,
		"error_id":          severalOf("error_ids"),
		"error_ids":         several,
		"warning_ids":       several,
		"info_ids":          several,
		"url":               severalOf("urls"),
		"urls":              several,
		"releases":          several,
		"replay_type":       {typ: String},
		"platform":          {typ: String},
		"dist":              {typ: String},
		"user.display_name": {typ: String},
		// The sandbox keeps no note of who watched a replay.
		"viewed_by_me": {expr: "0", typ: Boolean},
		"seen_by_me":   {expr: "0", typ: Boolean},
		"viewed_by_id": {expr: "NULL"},
		"seen_by_id":   {expr: "NULL"},
	},
}

// replaySorts are the fields that replays can be ordered by.
var replaySorts = []string{
	"activity", "browser.name", "browser.version", "count_dead_clicks", "count_errors", "count_infos", "count_rage_clicks",
	"count_segments", "count_urls", "count_warnings", "device.brand", "device.family", "device.model", "device.name", "dist",
	"duration", "finished_at", "os.name", "os.version", "platform", "project_id", "sdk.name", "started_at", "user.email",
	"user.id", "user.username",
}

// ReplaySort is the ORDER BY for a list of replays, over alias it; empty means
// the latest first. The error is an *Error.
func ReplaySort(sort string) (orderBy string, err error) {
	if sort == "" {
		sort = "-started_at"
	}
	name, direction := sort, ""
	if after, ok := strings.CutPrefix(sort, "-"); ok {
		name, direction = after, " DESC"
	}
	if !slices.Contains(replaySorts, name) {
		return "", invalid("sort", sort, "it must be one of %s, with or without a - before it", strings.Join(replaySorts, ", "))
	}
	if name == "project_id" {
		name = "project.id"
	}
	return replays.column(key{name: name}).scalar() + direction + ", it.id" + direction, nil
}
