package seed

import (
	"cmp"
	"math"
	"time"
)

type (
	// logLine was written so many times, the latest just now and the others
	// every so often before it; one of the story at its moments.
	logLine struct {
		level, body string
		count       int
		every       time.Duration // 0: 47 minutes
		story       bool
		after       time.Duration // of the story: since its moment
	}
	// series is a metric that is sent every hour for two weeks: more by day
	// than by night, and since the story began so many times as much.
	series struct {
		name, kind, unit string
		value            float64 // on an ordinary hour
		since            float64 // 0: the story changes nothing
		flat             bool    // the same by day and by night
	}
)

var severities = map[string]int{"info": 9, "warn": 13, "error": 17}

// log sends all times that a line was written as one container.
func (t *teller) log(n int, l logLine) {
	var items []any
	for i := range l.count {
		at := t.now.Add(-time.Duration(l.count-i) * cmp.Or(l.every, 47*time.Minute))
		trace, span := t.hex(32, "trace "+l.body, i), ""
		if l.story {
			moment := i * t.project.story.times / l.count
			at, trace, span = t.moment(moment).Add(stretch(l.after, pace(moment))), t.storyTrace(moment), t.storySpan(moment)
		}
		item := object{"timestamp": unix(at), "trace_id": trace, "level": l.level, "severity_number": severities[l.level], "body": l.body,
			"attributes": object{"mark": text(t.mark), "sentry.environment": text("production"), "sentry.release": text(t.running(at)), "shard": object{"value": n, "type": "integer"}}}
		if span != "" {
			item["span_id"] = span
		}
		items = append(items, item)
	}
	t.sendAll(t.now, "log", "log", items)
}

// measure sends a series as one container a day.
func (t *teller) measure(s series) {
	const hours = 14 * 24
	var items []any
	for h := range hours {
		at := t.now.Add(-time.Duration(hours-h) * hour)
		value := s.value * (0.95 + 0.1*t.rand.Float64())
		if !s.flat {
			value *= 1 + 0.5*math.Sin(2*math.Pi*float64(at.UTC().Hour()-8)/24)
		}
		if s.since != 0 && at.After(t.now.Add(-t.project.story.first)) {
			value *= s.since
		}
		item := object{"timestamp": unix(at), "trace_id": t.hex(32, "metric "+s.name, h), "name": s.name, "type": s.kind, "value": math.Round(value),
			"attributes": object{"mark": text(t.mark), "sentry.environment": text("production"), "sentry.release": text(t.running(at))}}
		if s.unit != "" {
			item["unit"] = s.unit
		}
		if items = append(items, item); len(items) == 24 {
			t.sendAll(at, "trace_metric", "trace-metric", items)
			items = nil
		}
	}
}
