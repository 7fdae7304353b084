package query

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// runes yields the characters of v; wild is true for an asterisk that was not
// escaped.
func (v value) runes(yield func(r rune, wild bool) bool) {
	escaped := false
	for i, r := range v {
		if r == '\\' && !escaped && i+1 < len(v) && (v[i+1] == '*' || v[i+1] == '\\') {
			escaped = true
			continue
		}
		if !yield(r, r == '*' && !escaped) {
			return
		}
		escaped = false
	}
}

func (v value) wild() bool {
	for _, wild := range v.runes {
		if wild {
			return true
		}
	}
	return false
}

// literal is v with its escapes resolved.
func (v value) literal() string {
	var b strings.Builder
	for r := range v.runes {
		b.WriteRune(r)
	}
	return b.String()
}

// like is v as a pattern for LIKE … ESCAPE '\'.
func (v value) like() string {
	var b strings.Builder
	for r, wild := range v.runes {
		switch {
		case wild:
			r = '%'
		case r == '%' || r == '_' || r == '\\':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

var number = regexp.MustCompile(`^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([A-Za-z%]*)$`)

// Factors of the suffixes that a number may have. A bare m is a million, but
// minutes where a duration is wanted.
var (
	durations = map[string]float64{ // in milliseconds
		"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3, "sec": 1e3, "m": 6e4, "min": 6e4,
		"h": 3.6e6, "hr": 3.6e6, "d": 8.64e7, "day": 8.64e7, "w": 6.048e8, "wk": 6.048e8,
	}
	scales = map[string]float64{"": 1, "k": 1e3, "m": 1e6, "b": 1e9, "%": 0.01}
	sizes  = map[string]float64{ // in bytes
		"bit": 0.125, "byte": 1, "bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "eb": 1e18,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50, "eib": 1 << 60,
	}
)

// What one of a unit is worth: of a duration in milliseconds, of a size in bytes.
var (
	durationUnits = map[string]float64{
		"nanosecond": 1e-6, "microsecond": 1e-3, millisecond: 1, second: 1e3, "minute": 6e4, "hour": 3.6e6, "day": 8.64e7, "week": 6.048e8,
	}
	sizeUnits = map[string]float64{
		"bit": 0.125, "byte": 1, "kilobyte": 1e3, "megabyte": 1e6, "gigabyte": 1e9, "terabyte": 1e12, "petabyte": 1e15, "exabyte": 1e18,
		"kibibyte": 1 << 10, "mebibyte": 1 << 20, "gibibyte": 1 << 30, "tebibyte": 1 << 40, "pebibyte": 1 << 50, "exbibyte": 1 << 60,
	}
)

// quantity reads v as a number in the unit of c.
func (v value) quantity(c column) (float64, bool) {
	m := number.FindStringSubmatch(string(v))
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}
	suffix := strings.ToLower(m[2])
	if suffix == "" {
		return n, true
	}
	f, ok := factor(suffix, c)
	return n * f, ok
}

// factor is what a suffix stands for in the unit of c.
func factor(suffix string, c column) (f float64, ok bool) {
	if c.unit == "percent" && suffix == "%" {
		return 1, true
	}
	if unit := sizeUnits[c.unit]; unit != 0 {
		if suffix == "b" { // bytes, not billions
			return 1 / unit, true
		}
		if f, ok = sizes[suffix]; ok {
			return f / unit, true
		}
	}
	if c.typ == Duration {
		unit := durationUnits[c.unit]
		if unit == 0 {
			unit = 1
		}
		f, ok = durations[suffix]
		return f / unit, ok
	}
	for _, table := range []map[string]float64{scales, durations, sizes} {
		if f, ok = table[suffix]; ok {
			return f, true
		}
	}
	return 0, false
}

// truth reads v as a boolean.
func (v value) truth() (is, ok bool) {
	switch strings.ToLower(string(v)) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

// truths are the forms in which a boolean may be stored. JSON's own come out
// of ->> as 1 and 0.
func truths(is bool) []any {
	if is {
		return []any{1, "true", "True", "yes"}
	}
	return []any{0, "false", "False", "no"}
}

var (
	relative = regexp.MustCompile(`^([+-])(\d{1,6})(s|m|min|h|hr|d|w)$`)
	// The layouts of absolute times, each with how much time it names.
	layouts = []struct {
		layout string
		width  time.Duration
	}{
		{"2006-01-02", 24 * time.Hour},
		{"2006-01-02T15:04", time.Minute},
		{"2006-01-02T15:04Z07:00", time.Minute},
		{"2006-01-02T15:04:05", time.Second},
		{"2006-01-02T15:04:05Z07:00", time.Second},
	}
)

const dateForms = "write a date as -24h (newer than), +7d (older than), 2026-01-31 or 2026-01-31T12:00:00Z"

// instant is a point or a stretch of time, in Unix seconds.
type instant struct {
	from, to float64
	relative byte // '-' or '+' as written; 0 when absolute
}

func (v value) instant(now time.Time) (instant, bool) {
	if m := relative.FindStringSubmatch(string(v)); m != nil {
		n, err := strconv.ParseFloat(m[1]+m[2], 64)
		if err != nil {
			return instant{}, false
		}
		at := unixSeconds(now) + n*durations[m[3]]/1e3
		return instant{at, at, m[1][0]}, true
	}
	for _, l := range layouts {
		if t, err := time.Parse(l.layout, string(v)); err == nil {
			return instant{unixSeconds(t), unixSeconds(t.Add(l.width)), 0}, true
		}
	}
	return instant{}, false
}

// unixSeconds is a time as the tables store it: Unix seconds with a fraction.
func unixSeconds(t time.Time) float64 {
	if y := t.Year(); y < 1700 || y > 2200 { // beyond what UnixNano can say
		return float64(t.Unix())
	}
	return float64(t.UnixNano()) / 1e9
}
