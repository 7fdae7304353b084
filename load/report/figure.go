package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	nbsp = "\u00a0" // within a figure, where a page must not break; text has a plain space there
	dash = "–"      // what is not known
)

// count has its thousands apart: 1 234 567.
func count[N ~int | ~int64 | ~uint64](n N) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteString(nbsp)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// number has three significant digits and no exponent: 0.123, 12.3, 4 560.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return dash
	case a >= 1e15: // beyond what is measured here; said as it is
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 99.95:
		return count(int64(math.Round(v)))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.0005:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return "0"
}

// short is number without zeros that say nothing, for axes.
func short(v float64) string {
	s := number(v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// unit is one of a scale in which a figure can be said.
type unit struct {
	size float64
	name string
}

var (
	times = []unit{{1e-6, "µs"}, {1e-3, "ms"}, {1, "s"}, {60, "min"}}
	sizes = []unit{{1, "B"}, {1e3, "KB"}, {1e6, "MB"}, {1e9, "GB"}}
	plain = []unit{{1, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}}
)

// in says v, in the smallest unit, in the largest one that leaves a whole.
func in(units []unit, v float64, say func(float64) string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dash
	}
	u := units[0]
	for _, next := range units[1:] {
		if math.Abs(v) >= next.size*0.9995 {
			u = next
		}
	}
	if v == 0 {
		u = unit{1, ""}
	}
	return strings.TrimRight(say(v/u.size)+nbsp+u.name, nbsp)
}

// duration of a call; minutes are only for axes.
func duration(d time.Duration) string {
	if d <= 0 {
		return "0"
	}
	return in(times[:3], d.Seconds(), number)
}

func seconds(s float64) string { return in(times[:3], s, number) }

// stretch is how long something went on; nothing if it did not.
func stretch(s float64) string {
	if s <= 0 || math.IsNaN(s) {
		return ""
	}
	if s < 1 {
		return seconds(s)
	}
	d := time.Duration(min(s, 1e9) * float64(time.Second))
	if d >= 10*time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(100 * time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	for _, u := range []string{"h", "m", "s"} {
		text = strings.Replace(text, u, nbsp+map[string]string{"h": "h", "m": "min", "s": "s"}[u]+" ", 1)
	}
	return strings.TrimSpace(text)
}

func whole(v float64) string {
	if math.Abs(v) < 99.5 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return number(v)
}

func memory(v float64) string { return in(sizes, v, number) }

// share is a part of a whole, in percent.
func share(part, whole float64) string {
	if whole <= 0 {
		return dash
	}
	p := 100 * part / whole
	if part > 0 && p < 0.001 {
		return "<" + nbsp + "0.001" + nbsp + "%"
	}
	return short(p) + nbsp + "%"
}

func ratio(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dash
	}
	return number(v) + nbsp + "×"
}

// clean is text of anybody's made fit for one line: no control characters, no
// marks that turn the direction of what follows, no blanks but single spaces,
// and at most so many runes.
func clean(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
	}), " ")
	if all := []rune(text); len(all) > most {
		return strings.TrimRight(string(all[:most-1]), " ") + "…"
	}
	return text
}

// plural is a count with its noun.
func plural[N ~int | ~int64 | ~uint64](n N, one, more string) string {
	if n == 1 {
		return "1" + nbsp + one
	}
	return count(n) + nbsp + more
}
