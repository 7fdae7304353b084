package payload

import (
	"strings"
	"testing"
	"time"
)

var atNoon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestParseSession(t *testing.T) {
	const sid = "7c7b6585-f901-4351-bf8d-02711b721929"
	for _, tt := range []struct {
		reason, raw string
		ok          bool
		worst       SessionState
	}{
		{"one that goes on", `{"sid":"` + sid + `","init":true,"status":"ok","errors":0,"attrs":{"release":"shop@1"}}`, true, Healthy},
		{"one that ended", `{"sid":"` + sid + `","status":"exited","attrs":{"release":"shop@1"}}`, true, Healthy},
		{"one with errors", `{"sid":"` + sid + `","status":"exited","errors":2,"attrs":{"release":"shop@1"}}`, true, Errored},
		{"one with an unhandled error", `{"sid":"` + sid + `","status":"unhandled","errors":1,"attrs":{"release":"shop@1"}}`, true, Unhandled},
		{"one that hung", `{"sid":"` + sid + `","status":"abnormal","attrs":{"release":"shop@1"}}`, true, Abnormal},
		{"one that crashed", `{"sid":"` + sid + `","status":"crashed","errors":1,"attrs":{"release":"shop@1"}}`, true, Crashed},
		{"without an id", `{"status":"crashed","attrs":{"release":"shop@1"}}`, true, Crashed},
		{"without a release", `{"sid":"` + sid + `","status":"crashed"}`, false, Healthy},
		{"nothing", `{}`, false, Healthy},
	} {
		s, ok, err := ParseSession([]byte(tt.raw), atNoon)
		if err != nil || ok != tt.ok || s.Worst() != tt.worst {
			t.Errorf("%s: %+v, %v, %v; want %v, state %d", tt.reason, s, ok, err, tt.ok, tt.worst)
		}
	}
	s, _, err := ParseSession([]byte(`{"sid":"`+sid+`","did":"ann@example.test","started":"2026-11-20T11:30:00.000Z","attrs":{"release":"shop@1"}}`), atNoon)
	if err != nil || s.ID != strings.ReplaceAll(sid, "-", "") || s.Environment != "production" || s.Started != atNoon.Add(-30*time.Minute) {
		t.Errorf("session %+v, %v", s, err)
	}
	if s.User == "" || strings.Contains(s.User, "ann") || s.User == digestOf("bob") {
		t.Errorf("user %q", s.User)
	}
	for _, bad := range []string{"", "[]", `{"sid":"x","attrs":{"release":"shop@1"}}`} {
		if _, _, err := ParseSession([]byte(bad), atNoon); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestParseSessions(t *testing.T) {
	list, err := ParseSessions([]byte(`{"aggregates":[{"started":"2026-11-20T11:00:00Z","exited":5,"errored":2,"crashed":1,"abnormal":-3},{"did":"7","exited":1e300},{}],
		"attrs":{"release":"shop@1","environment":"staging"}}`), atNoon)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if s := list[0]; s.Counts != [SessionStates]int64{5, 2, 0, 0, 1} || s.Started.Hour() != 11 || s.Environment != "staging" || s.ID != "" {
		t.Errorf("aggregate %+v", s)
	}
	if s := list[1]; s.Counts != [SessionStates]int64{} || s.User == "" || s.Started != atNoon {
		t.Errorf("aggregate %+v", s)
	}
	many := `{"attrs":{"release":"x"},"aggregates":[` + strings.Repeat("{},", maxContainerItems) + `{}]}`
	for _, bad := range []string{"", "{", many} {
		if _, err := ParseSessions([]byte(bad), atNoon); err == nil {
			t.Errorf("%.50q was read", bad)
		}
	}
}

// FuzzParseSession: no count is below zero or absurd, whatever comes.
func FuzzParseSession(f *testing.F) {
	f.Add([]byte(`{"sid":"7c7b6585f9014351bf8d02711b721929","did":1,"errors":"2","status":"exited","started":1e9,"attrs":{"release":"a","environment":"b"}}`))
	f.Add([]byte(`{"aggregates":[{"started":"2026-11-20T11:00:00Z","did":"x","exited":5,"errored":"2","crashed":1e99}],"attrs":{"release":"a"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := ParseSessions(raw, atNoon)
		if err != nil {
			list = nil
		}
		if s, ok, err := ParseSession(raw, atNoon); err == nil && ok {
			list = append(list, s)
		}
		for _, s := range list {
			if s.Release == "" || s.Environment == "" || s.Started.After(atNoon.Add(MaxAhead)) || s.Started.Before(atNoon.Add(-MaxAge)) {
				t.Fatalf("%+v", s)
			}
			for _, n := range s.Counts {
				if n < 0 || n > maxSessionCount {
					t.Fatalf("%+v", s)
				}
			}
		}
	})
}
