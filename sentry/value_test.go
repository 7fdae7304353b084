package sentry

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecode_tolerance(t *testing.T) {
	type row struct {
		ID    ID               `json:"id"`
		Count Count            `json:"count"`
		Name  Text             `json:"name"`
		On    Bool             `json:"on"`
		At    Time             `json:"at"`
		Tags  List[Tag]        `json:"tags"`
		Owner *Assignee        `json:"owner"`
		Meta  struct{ A Text } `json:"meta"`
	}
	at := Time{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	tests := []struct {
		name, in string
		want     row
	}{
		{"as documented", `{"id":"1","count":"12","name":"n","on":true,"at":"2026-11-22T10:00:00Z"}`, row{ID: "1", Count: 12, Name: "n", On: true, At: at}},
		{"numbers for strings and back", `{"id":9007199254740993,"count":12,"name":3,"on":1,"at":1795341600}`, row{ID: "9007199254740993", Count: 12, Name: "3", On: true, At: at}},
		{"offset for Z", `{"at":"2026-11-22T11:00:00+01:00"}`, row{At: at}},
		{"all null", `{"id":null,"count":null,"name":null,"on":null,"at":null,"tags":null,"owner":null,"meta":null}`, row{}},
		{"all of a wrong type", `{"id":{},"count":[],"name":[1],"on":{},"at":"yesterday","tags":{"a":1},"owner":"me","meta":7}`, row{Owner: &Assignee{}}},
		{"wrong elements", `{"id":"1","tags":[1,{"key":"k","value":2},null]}`, row{ID: "1", Tags: List[Tag]{{"k", "2"}}}},
		{"a wrong field does not lose the next", `{"owner":3,"id":"5"}`, row{ID: "5", Owner: &Assignee{}}},
		{"unknown fields", `{"id":"1","extra":{"deep":[1]}}`, row{ID: "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got row
			if err := decode([]byte(tt.in), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode_root(t *testing.T) {
	var object row
	var list []row
	for _, in := range []string{`[]`, `"x"`, `null`, `7`, ``, `{`} {
		if err := decode([]byte(in), &object); err == nil {
			t.Errorf("decode(%q) into an object = nil error", in)
		}
	}
	for _, in := range []string{`{}`, `"x"`, `null`, ``, `[`} {
		if err := decode([]byte(in), &list); err == nil {
			t.Errorf("decode(%q) into a list = nil error", in)
		}
	}
}

type row struct{ ID ID }

func TestDetailOf(t *testing.T) {
	for in, want := range map[string]string{
		`{"detail":"gone"}`:                               "gone",
		`{"detail":{"message":"gone"}}`:                   "gone",
		`{"slug":["is taken"],"name":["b"]}`:              "name: b; slug: is taken",
		`["one","two"]`:                                   "one; two",
		`{"error":"nope"}`:                                "nope",
		`plain text`:                                      "plain text",
		"{\"detail\":\"a\\n\\u0000b\\u001b[2J\\u202ec\"}": "a b[2Jc",
		``: "",
	} {
		if got := detailOf([]byte(in)); got != want {
			t.Errorf("detailOf(%q) = %q, want %q", in, got, want)
		}
	}
	long := detailOf(make([]byte, 1<<20))
	if len(long) > maxDetail+len("…") {
		t.Errorf("a long body gives %d bytes", len(long))
	}
}
