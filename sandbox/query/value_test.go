package query

import "testing"

func TestValue_Like(t *testing.T) {
	tests := []struct {
		why     string
		value   value
		like    string
		literal string
		wild    bool
	}{
		{"plain", `abc`, `abc`, `abc`, false},
		{"a wildcard", `a*c`, `a%c`, `a*c`, true},
		{"an escaped asterisk", `a\*c`, `a*c`, `a*c`, false},
		{"LIKE's own wildcards", `a%b_c`, `a\%b\_c`, `a%b_c`, false},
		{"a lone backslash is one", `a\b`, `a\\b`, `a\b`, false},
		{"so is a pair", `a\\b`, `a\\b`, `a\b`, false},
		{"a pair before a wildcard", `a\\*`, `a\\%`, `a\*`, true},
		{"a backslash at the end", `a\`, `a\\`, `a\`, false},
	}
	for _, tt := range tests {
		if got := tt.value.like(); got != tt.like {
			t.Errorf("%s: like(%s) = %s, want %s", tt.why, tt.value, got, tt.like)
		}
		if got := tt.value.literal(); got != tt.literal {
			t.Errorf("%s: literal(%s) = %s, want %s", tt.why, tt.value, got, tt.literal)
		}
		if got := tt.value.wild(); got != tt.wild {
			t.Errorf("%s: wild(%s) = %t", tt.why, tt.value, got)
		}
	}
}

func TestValue_Quantity(t *testing.T) {
	var (
		anything = column{}
		millis   = column{typ: Duration, unit: millisecond}
		seconds  = column{typ: Duration, unit: second}
		nanos    = column{typ: Duration, unit: "nanosecond"}
		bytes    = column{typ: Number, unit: "byte"}
		percents = column{typ: Number, unit: "percent"}
	)
	tests := []struct {
		why    string
		value  value
		column column
		want   float64
		ok     bool
	}{
		{"a number", "12", anything, 12, true},
		{"a negative fraction", "-1.5", anything, -1.5, true},
		{"no digit before the point", ".5", anything, 0.5, true},
		{"an exponent", "1e3", anything, 1000, true},
		{"thousands", "1.5K", anything, 1500, true},
		{"m is a million", "2m", anything, 2e6, true},
		{"unless a duration is wanted", "2m", millis, 120000, true},
		{"billions", "3b", anything, 3e9, true},
		{"a percentage", "5%", anything, 0.05, true},
		{"a duration where anything goes", "250ms", anything, 250, true},
		{"a size", "1kib", anything, 1024, true},
		{"a bare number has the column's unit", "3", seconds, 3, true},
		{"a duration is converted to it", "2min", seconds, 120, true},
		{"whatever the unit", "1ms", nanos, 1e6, true},
		{"bytes", "1.5kb", bytes, 1500, true},
		{"b is bytes where a size is wanted", "3b", bytes, 3, true},
		{"and a thousand may be one", "2k", bytes, 2000, true},
		{"bytes in words", "12bytes", anything, 12, true},
		{"large sizes", "1pib", anything, 1 << 50, true},
		{"a percentage of what is counted in percent", "5%", percents, 5, true},
		{"a size is no duration", "1mb", millis, 0, false},
		{"an unknown suffix", "5x", anything, 0, false},
		{"text", "abc", anything, 0, false},
		{"Go's other numbers are text", "0x10", anything, 0, false},
		{"so is infinity", "inf", anything, 0, false},
		{"too large", "1e999", anything, 0, false},
	}
	for _, tt := range tests {
		got, ok := tt.value.quantity(tt.column)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: quantity(%s) = %v, %t; want %v, %t", tt.why, tt.value, got, ok, tt.want, tt.ok)
		}
	}
}
