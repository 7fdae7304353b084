package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

// monitorConfig says when a job has to run. Minutes are whole.
type monitorConfig struct {
	Type      string `json:"schedule_type"` // crontab or interval
	Schedule  any    `json:"schedule"`      // "0 2 * * *", or [1, "hour"]
	Margin    int    `json:"checkin_margin"`
	Runtime   int    `json:"max_runtime"`
	Timezone  string `json:"timezone"`
	Failures  int    `json:"failure_issue_threshold"`
	Recovered int    `json:"recovery_threshold"`
}

const maxMinutes = 28 * 24 * 60

// configOf reads the monitor_config of a check-in.
func configOf(o payload.Object) (c monitorConfig, err error) {
	c = monitorConfig{
		Type:     payload.TextAt(o, "schedule", "type"),
		Margin:   bounded(o["checkin_margin"], 1, maxMinutes),
		Runtime:  bounded(o["max_runtime"], 30, maxMinutes),
		Timezone: cmp.Or(payload.Clip(payload.Text(o["timezone"]), 64), "UTC"), Failures: bounded(o["failure_issue_threshold"], 1, 720),
		Recovered: bounded(o["recovery_threshold"], 1, 720),
	}
	value := payload.At(o, "schedule", "value")
	switch c.Type {
	case "crontab":
		c.Schedule = payload.Clip(payload.Text(value), 100)
	case "interval":
		c.Schedule = []any{bounded(value, 1, maxMinutes), payload.TextAt(o, "schedule", "unit")}
	}
	_, err = c.next()
	return c, err
}

// bounded reads a whole number from 1 to most, or else takes def.
func bounded(v any, def, most int) int {
	f, ok := payload.Number(v)
	if !ok || f < 1 {
		return def
	}
	return int(math.Min(f, float64(most)))
}

func parseConfig(raw []byte) (c monitorConfig, err error) { return c, json.Unmarshal(raw, &c) }

// object is what an event shows of it.
func (c monitorConfig) object() payload.Object {
	return payload.Object{
		"schedule_type": c.Type, "schedule": c.Schedule, "checkin_margin": c.Margin, "max_runtime": c.Runtime, "timezone": c.Timezone,
		"failure_issue_threshold": c.Failures, "recovery_threshold": c.Recovered,
	}
}

func (c monitorConfig) margin() time.Duration  { return time.Duration(c.Margin) * time.Minute }
func (c monitorConfig) runtime() time.Duration { return time.Duration(c.Runtime) * time.Minute }

// next returns the function from a run to the one after it.
func (c monitorConfig) next() (func(time.Time) time.Time, error) {
	if c.Type == "crontab" {
		tab, err := parseCrontab(payload.Text(c.Schedule))
		if err != nil {
			return nil, err
		}
		zone, err := time.LoadLocation(c.Timezone)
		if err != nil { // the machine does not know it
			zone = time.UTC
		}
		return func(t time.Time) time.Time { return tab.next(t.In(zone)).UTC() }, nil
	}
	pair, _ := c.Schedule.([]any)
	if c.Type != "interval" || len(pair) != 2 {
		return nil, errors.New("the schedule of a monitor is neither a crontab nor an interval")
	}
	unit, ok := units[payload.Text(pair[1])]
	if !ok {
		return nil, fmt.Errorf("an interval has no unit %q; there are minute, hour, day, week, month, year", payload.Clip(payload.Text(pair[1]), 50))
	}
	n := bounded(fmt.Sprint(pair[0]), 1, unit.most)
	return func(t time.Time) time.Time {
		return t.AddDate(0, n*unit.months, n*unit.days).Add(time.Duration(n) * unit.time)
	}, nil
}

// units of intervals, with how many there may be: times have to fit in 64 bits.
var units = map[string]struct {
	time               time.Duration
	days, months, most int
}{
	"minute": {time: time.Minute, most: maxMinutes}, "hour": {time: time.Hour, most: 10_000}, "day": {days: 1, most: 1000},
	"week": {days: 7, most: 500}, "month": {months: 1, most: 120}, "year": {months: 12, most: 10},
}

// crontab holds a bit for each value that a field matches.
type crontab struct {
	minute, hour, day, month, weekday uint64
	anyDay                            bool // day or weekday is a star: both have to match; otherwise one of them
}

var cronNames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

func parseCrontab(s string) (tab crontab, err error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if long, ok := cronNames[s]; ok {
		s = long
	}
	fields := strings.Fields(s)
	if len(fields) != 5 {
		return tab, fmt.Errorf("crontab %q does not have five fields", payload.Clip(s, 100))
	}
	for i, f := range []struct {
		into     *uint64
		min, max int
		names    string
	}{
		{&tab.minute, 0, 59, ""}, {&tab.hour, 0, 23, ""}, {&tab.day, 1, 31, ""},
		{&tab.month, 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"}, {&tab.weekday, 0, 7, "sunmontuewedthufrisat"},
	} {
		if *f.into, err = cronField(fields[i], f.min, f.max, f.names); err != nil {
			return tab, fmt.Errorf("crontab %q: %w", payload.Clip(s, 100), err)
		}
	}
	tab.weekday |= tab.weekday >> 7 & 1 // 7 is Sunday as well
	tab.anyDay = strings.HasPrefix(fields[2], "*") || strings.HasPrefix(fields[4], "*")
	if tab.next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return tab, fmt.Errorf("crontab %q never comes", payload.Clip(s, 100))
	}
	return tab, nil
}

// cronField reads a list of values and ranges, each maybe with a step.
func cronField(s string, min, max int, names string) (bits uint64, err error) {
	value := func(s string) (int, error) {
		if i := strings.Index(names, s); len(s) == 3 && i >= 0 && i%3 == 0 {
			return i/3 + min, nil
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < min || n > max {
			return 0, fmt.Errorf("%q is not from %d to %d", s, min, max)
		}
		return n, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to, step := min, max, 1
		if span != "*" {
			low, high, ranged := strings.Cut(span, "-")
			if from, err = value(low); err != nil {
				return 0, err
			}
			if ranged {
				if to, err = value(high); err != nil {
					return 0, err
				}
			} else if !stepped {
				to = from
			}
		}
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > 60 {
				return 0, fmt.Errorf("%q is not a step", stepText)
			}
		}
		for n := from; n <= to; n += step {
			bits |= 1 << n
		}
	}
	return bits, nil
}

// next is the first matching minute after t, in t's zone; zero when there is
// none in the next years, such as for a 31st of February.
func (c crontab) next(t time.Time) time.Time {
	on := func(bits uint64, n int) bool { return bits>>n&1 == 1 }
	day := func(t time.Time) bool {
		d, w := on(c.day, t.Day()), on(c.weekday, int(t.Weekday()))
		return d && w || !c.anyDay && (d || w)
	}
	t = t.Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(9, 0, 0); t.Before(end); {
		switch y, m, d := t.Date(); {
		case !on(c.month, int(m)):
			t = midnight(t, y, m+1, 1)
		case !day(t):
			t = midnight(t, y, m, d+1)
		case !on(c.hour, t.Hour()):
			t = t.Add(time.Hour - time.Duration(t.Minute())*time.Minute)
		case !on(c.minute, t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// midnight begins a later day than t's. Where clocks go forward at midnight it
// may be read as an hour before that, which would never end.
func midnight(t time.Time, y int, m time.Month, d int) time.Time {
	at := time.Date(y, m, d, 0, 0, 0, 0, t.Location())
	if at.Day() == t.Day() {
		at = at.Add(time.Hour)
	}
	return at
}
