package payload

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, raw string) Object {
	t.Helper()
	o, err := ParseObject([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return o
}

// noon is when everything arrives.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// prepared is an event as it would be stored.
func prepared(t *testing.T, raw string) Object {
	t.Helper()
	ev := parsed(t, raw)
	Prepare(ev, "9ec79c33ec9942ab8353589fcb2e04dc", Arrival{Received: noon, Remote: "192.0.2.1"})
	return ev
}

func TestEventTime(t *testing.T) {
	tests := []struct {
		reason string
		given  any
		want   time.Time
	}{
		{"Unix seconds", json.Number("1763640000.5"), noon},
		{"Unix seconds in range", json.Number("1795175999.25"), time.Unix(1795175999, 250_000_000).UTC()},
		{"RFC 3339 with nanoseconds", "2026-11-20T11:59:59.123456789Z", noon.Add(-876543211)},
		{"another zone", "2026-11-20T12:30:00+01:00", noon.Add(-30 * time.Minute)},
		{"no zone is UTC", "2026-11-20T11:00:00.5", noon.Add(-time.Hour + 500*time.Millisecond)},
		{"a little ahead", "2026-11-20T12:00:59Z", noon.Add(59 * time.Second)},
		{"too far ahead", "2026-11-20T12:01:01Z", noon},
		{"too old", "2026-08-01T00:00:00Z", noon},
		{"milliseconds by mistake", json.Number("1795176000000"), noon},
		{"missing", nil, noon},
		{"not a time", "soon", noon},
	}
	for _, tt := range tests {
		if got := EventTime(tt.given, noon); !got.Equal(tt.want) {
			t.Errorf("%s: eventTime(%v) = %v, want %v", tt.reason, tt.given, got, tt.want)
		}
	}
}

func TestNormalizeEvent(t *testing.T) {
	tests := []struct {
		reason, raw string
		path        []string
		want        any
	}{
		{"exception bare", `{"exception":[{"type":"E"}]}`, []string{"exception"}, []any{Object{"type": "E"}}},
		{"exception wrapped", `{"exception":{"values":[{"type":"E"}, null]}}`, []string{"exception"}, []any{Object{"type": "E"}}},
		{"message as text", `{"message":"hi"}`, []string{"logentry"}, Object{"message": "hi", "formatted": "hi"}},
		{"message as an object", `{"message":{"message":"hi %s","formatted":"hi you"}}`, []string{"logentry", "formatted"}, "hi you"},
		{"no message", `{}`, []string{"logentry"}, nil},
		{"tags as pairs", `{"tags":[["a","1"],["b",null]]}`, []string{"tags", "a"}, "1"},
		{"tags as key and value", `{"tags":[{"key":"a","value":2}]}`, []string{"tags", "a"}, "2"},
		{"a missing level", `{}`, []string{"level"}, "error"},
		{"a level of another language", `{"level":"CRITICAL"}`, []string{"level"}, "fatal"},
		{"a missing environment", `{}`, []string{"environment"}, "production"},
		{"a missing platform", `{}`, []string{"platform"}, "other"},
		{"a numeric user id keeps its digits", `{"user":{"id":90071992547409931}}`, []string{"user", "id"}, "90071992547409931"},
		{"the sender's address", `{"user":{"ip_address":"{{auto}}"}}`, []string{"user", "ip_address"}, "192.0.2.1"},
		{"a context gets a type", `{"contexts":{"os":{"name":"Linux"},"x":1}}`, []string{"contexts"}, Object{"os": Object{"name": "Linux", "type": "os"}}},
		{"headers become pairs", `{"request":{"headers":{"B":"2","A":"1"}}}`, []string{"request", "headers"}, []any{[]any{"A", "1"}, []any{"B", "2"}}},
		{"cookies are dropped", `{"request":{"cookies":"a=b"}}`, []string{"request", "cookies"}, nil},
		{"the browser from its User-Agent", `{"request":{"headers":[["user-agent","Mozilla/5.0 Chrome/142.0 Safari/537"]]}}`, []string{"tags", "browser"}, "Chrome 142.0"},
		{"derived tags", `{"user":{"id":7},"server_name":"web1"}`, []string{"tags", "user"}, "id:7"},
		{"handled", `{"exception":[{"type":"E","mechanism":{"handled":false}}]}`, []string{"tags", "handled"}, "no"},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, At(prepared(t, tt.raw), tt.path...)); diff != "" {
			t.Errorf("%s: %s", tt.reason, diff)
		}
	}
}

func TestNormalizeEvent_Frames(t *testing.T) {
	ev := prepared(t, `{"exception":[{"type":"E","stacktrace":{"frames":[{"abs_path":"https://a.test/js/x.js?v=1","function":"?"}]}}]}`)
	got := FramesOf(MainException(ev))[0]
	if got["filename"] != "/js/x.js" || got["function"] != nil {
		t.Errorf("frame = %v", got)
	}
}

func TestScrub(t *testing.T) {
	const secret = "hunter2-value"
	for _, raw := range []string{
		`{"extra":{"password":"hunter2-value"}}`,
		`{"extra":{"dbPassword":"hunter2-value"}}`,
		`{"extra":{"deep":[{"api_key":"hunter2-value"}]}}`,
		`{"extra":{"Api-Key":"hunter2-value","x_auth":{"a":"hunter2-value"}}}`,
		`{"extra":{"private_key":["hunter2-value"]}}`,
		`{"tags":{"session":"hunter2-value"}}`,
		`{"tags":[["csrf_token","hunter2-value"]]}`,
		`{"request":{"headers":{"Authorization":"Bearer hunter2-value","Cookie":"a=hunter2-value"}}}`,
		`{"request":{"url":"https://a.test/?q=1&token=hunter2-value"}}`,
		`{"request":{"query_string":[["token","hunter2-value"]]}}`,
		`{"request":{"data":{"credentials":{"user":"u","pass":"hunter2-value"}}}}`,
		`{"message":"sent Bearer hunter2-value upstream"}`,
		`{"message":"postgres://app:hunter2-value@db.test/x"}`,
		`{"breadcrumbs":[{"data":{"accessToken":"hunter2-value"}}]}`,
		`{"request":{"data":"{\"user\":1,\"password\":\"hunter2-value\"}"}}`,
		`{"extra":{"body":"{\"card\":{\"api_key\":\"hunter2-value\"}}","stripe_key":"hunter2-value"}}`,
		`{"breadcrumbs":[{"data":{"request_body":"[{\"token\":\"hunter2-value\"}]"}}]}`,
		`{"exception":[{"type":"E","value":"password: hunter2-value","stacktrace":{"frames":[{"vars":{"config":"{'password': 'hunter2-value'}"}}]}}]}`,
		`{"exception":[{"type":"E","value":"bad secret=hunter2-value","stacktrace":{"frames":[{"vars":{"passwd":"hunter2-value"}}]}}]}`,
	} {
		ev := prepared(t, raw)
		stored, err := json.Marshal([]any{ev, ErrorAttrs(ev), Title(ev), Group(ev).Parts})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stored), secret) {
			t.Errorf("%s is stored as %s", raw, stored)
		}
	}
}

func TestScrub_KeepsTheRest(t *testing.T) {
	const raw = `{"extra":{"author":"ann","input_tokens":12,"has_token":false,"password":"","secretary":null},"message":"a=1 Basic training"}`
	ev := prepared(t, raw)
	want := Object{"author": "ann", "input_tokens": json.Number("12"), "has_token": false, "password": "", "secretary": nil}
	if diff := cmp.Diff(want, ev["extra"]); diff != "" {
		t.Error(diff)
	}
	if got := TextAt(ev, "logentry", "formatted"); got != "a=1 Basic training" {
		t.Errorf("message = %q", got)
	}
}
