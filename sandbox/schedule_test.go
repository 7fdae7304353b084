package sandbox

import (
	"strings"
	"testing"
	"time"

	"roundhouse/sandbox/payload"
)

func TestCrontab_Next(t *testing.T) {
	tests := []struct{ tab, after, want string }{
		{"0 2 * * *", "2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z"},
		{"0 2 * * *", "2026-11-20T01:59:59Z", "2026-11-20T02:00:00Z"},
		{"*/15 * * * *", "2026-11-20T12:00:00Z", "2026-11-20T12:15:00Z"},
		{"5,35 8-10 * * mon-fri", "2026-11-20T10:40:00Z", "2026-11-23T08:05:00Z"},
		{"0 0 1,15 * *", "2026-12-15T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"0 0 13 * 5", "2026-11-20T12:00:00Z", "2026-11-27T00:00:00Z"},
		{"0 0 * * 7", "2026-11-20T12:00:00Z", "2026-11-22T00:00:00Z"},
		{"0 0 29 feb *", "2026-11-20T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"@Hourly", "2026-11-20T12:30:00Z", "2026-11-20T13:00:00Z"},
	}
	for _, tt := range tests {
		tab, err := parseCrontab(tt.tab)
		if err != nil {
			t.Errorf("%q: %v", tt.tab, err)
			continue
		}
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := tab.next(after).Format(time.RFC3339); got != tt.want {
			t.Errorf("%q after %s: %s, want %s", tt.tab, tt.after, got, tt.want)
		}
	}
}

// TestCrontab_Zones: where midnight is skipped once a year, days still go by.
func TestCrontab_Zones(t *testing.T) {
	zone, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	tab, err := parseCrontab("30 5 * * 3")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, zone)
	for range 52 {
		at = tab.next(at)
		if at.Hour() != 5 || at.Minute() != 30 || at.Weekday() != time.Wednesday {
			t.Fatalf("next = %s", at)
		}
	}
	if at.Format(time.DateOnly) != "2026-12-30" {
		t.Errorf("the 52nd Wednesday is %s", at)
	}
}

func TestConfigOf_Refuses(t *testing.T) {
	tests := []struct{ schedule, want string }{
		{`{}`, "neither"},
		{`{"type":"crontab","value":"* * * *"}`, "five fields"},
		{`{"type":"crontab","value":"60 * * * *"}`, "not from 0 to 59"},
		{`{"type":"crontab","value":"*/0 * * * *"}`, "not a step"},
		{`{"type":"crontab","value":"0 0 31 2 *"}`, "never comes"},
		{`{"type":"crontab","value":"0 0 * * mo"}`, "not from 0 to 7"},
		{`{"type":"interval","value":1,"unit":"blink"}`, "no unit"},
	}
	for _, tt := range tests {
		o, err := payload.ParseObject([]byte(`{"schedule":` + tt.schedule + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := configOf(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.schedule, err, tt.want)
		}
	}
}
