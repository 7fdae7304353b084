package sentry

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serve answers by path; anything else is Sentry's 404.
func serve(routes map[string]string) answer {
	return func(r *http.Request) *http.Response {
		if body, ok := routes[r.URL.Host+r.URL.Path+"?"+r.URL.Query().Get("cursor")]; ok {
			return reply(200, body)
		}
		if body, ok := routes[r.URL.Path]; ok {
			return reply(200, body)
		}
		return reply(404, `{"detail":"The requested resource does not exist"}`)
	}
}

func TestClient_Organizations(t *testing.T) {
	const next = `<x>; rel="previous"; results="false"; cursor="0:0:1", <x>; rel="next"; results="true"; cursor="0:2:0"`
	saas := newTestClient(t, "https://sentry.io", answer(func(r *http.Request) *http.Response {
		switch r.URL.Host + r.URL.Path + "?" + r.URL.Query().Get("cursor") {
		case "sentry.io/api/0/users/me/regions/?":
			return reply(200, `{"regions":[{"name":"us","url":"https://us.sentry.io"},{"name":"bad","url":"https://evil.example"},{"name":"de","url":"https://de.sentry.io"}]}`)
		case "us.sentry.io/api/0/organizations/?":
			return reply(200, `[{"slug":"a"},{"slug":"b"}]`, "Link", next)
		case "us.sentry.io/api/0/organizations/?0:2:0":
			return reply(200, `[{"slug":"c"}]`)
		case "de.sentry.io/api/0/organizations/?":
			return reply(200, `[{"slug":"d"}]`)
		}
		t.Errorf("unexpected request to %s", r.URL)
		return reply(404, `{}`)
	}))
	var got [][]string
	cursor := ""
	for range 5 {
		list, page, err := saas.Organizations(t.Context(), ListOptions{Cursor: cursor, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		var slugs []string
		for _, o := range list {
			slugs = append(slugs, string(o.Slug))
		}
		got = append(got, append(slugs, page.Next))
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	want := [][]string{{"a", "b", "us/0:2:0"}, {"c", "d", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}

	own := newTestClient(t, "https://sentry.lan", serve(map[string]string{"/api/0/organizations/": `[{"id":1,"slug":"a","links":null}]`}))
	list, _, err := own.Organizations(t.Context(), ListOptions{})
	if err != nil || len(list) != 1 || list[0].Slug != "a" {
		t.Errorf("self-hosted: %+v, %v", list, err)
	}
}

func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		"": "",
		`<https://h/?cursor=0:1:0>; rel="next"; results="true"; cursor="0:1:0"`:                        "0:1:0",
		`<https://h/>; rel="next"; results="false"; cursor="0:1:0"`:                                    "",
		`<h>; rel="previous"; results="true"; cursor="p", <h>; rel="next"; results="true"; cursor="n"`: "n",
		`garbage`: "",
	} {
		if got := nextPage(http.Header{"Link": {link}}).Next; got != want {
			t.Errorf("nextPage(%q) = %q, want %q", link, got, want)
		}
	}
}

func TestClient_IssueEvent(t *testing.T) {
	c := newTestClient(t, "https://host", serve(map[string]string{
		"/api/0/organizations/acme/issues/SHOP-1/events/latest/": `{
			"id": "77", "eventID": "abc", "type": "error", "tags": [{"key":"k","value":"v"}, "bad"],
			"contexts": {"trace": {"trace_id": "t1"}, "bad": 3}, "release": "not an object",
			"entries": [
				{"type":"exception","data":{"values":[{"type":"E","value":"v","stacktrace":{"frames":[
					{"filename":"a.go","lineNo":"3","inApp":true,"context":[[2,"x"],[3,"y"],"bad"],"vars":null}]}}]}},
				{"type":"breadcrumbs","data":[{"message":"bare list"}]},
				{"type":"request","data":{"method":"GET","url":"https://x/"}},
				{"type":"message","data":{"formatted":"hello"}},
				{"type":"exception","data":null}, {"type":7}, null
			]}`,
	}))
	e, err := c.IssueEvent(t.Context(), "acme", "SHOP-1", "latest")
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Exceptions) != 1 || e.Exceptions[0].Stacktrace == nil {
		t.Fatalf("exceptions = %+v, want one with a stack", e.Exceptions)
	}
	frame := e.Exceptions[0].Stacktrace.Frames[0]
	if frame.LineNo != 3 || !frame.InApp || frame.Context[1] != (CodeLine{3, "y"}) {
		t.Errorf("frame = %+v", frame)
	}
	got := []any{e.ID, e.Contexts["trace"]["trace_id"], len(e.Breadcrumbs), e.Request.URL, e.LogMessage}
	want := []any{Text("abc"), "t1", 1, Text("https://x/"), "hello"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestClient_Issue_firstRelease(t *testing.T) {
	for sent, want := range map[string]Text{
		`{"version":"shop@1.2","shortVersion":"1.2"}`: "shop@1.2",
		`"shop@1.2"`:       "shop@1.2",
		`{"version":null}`: "",
		`null`:             "",
		`[]`:               "",
		`{}`:               "",
	} {
		c := newTestClient(t, "https://host", serve(map[string]string{
			"/api/0/organizations/acme/issues/1/": `{"firstRelease":` + sent + `,"id":"1"}`,
		}))
		issue, err := c.Issue(t.Context(), "acme", "1")
		if err != nil {
			t.Fatal(err)
		}
		got := Text("")
		if issue.FirstRelease != nil {
			got = issue.FirstRelease.Version
		}
		if got != want || issue.ID != "1" {
			t.Errorf("firstRelease %s of issue %q = %q, want %q", sent, issue.ID, got, want)
		}
	}
}

func TestClient_Events(t *testing.T) {
	c := newTestClient(t, "https://host", serve(map[string]string{
		"/api/0/organizations/acme/events/": `{"data":[{"count()":9007199254740993,"title":null}],"meta":{"fields":{"count()":"integer"},"units":null}}`,
	}))
	rows, _, err := c.Events(t.Context(), "acme", EventSearch{Dataset: "errors"})
	if err != nil {
		t.Fatal(err)
	}
	want := List[map[string]any]{{"count()": json.Number("9007199254740993"), "title": nil}}
	if diff := cmp.Diff(want, rows.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestClient_ValidateEvents(t *testing.T) {
	search := EventSearch{Dataset: "errors", Fields: []string{"nope"}}
	t.Run("NoValidator", func(t *testing.T) {
		c := newTestClient(t, "https://host", serve(nil))
		if _, err := c.ValidateEvents(t.Context(), "acme", search); !errors.Is(err, ErrNoValidator) {
			t.Errorf("err = %v, want ErrNoValidator", err)
		}
	})
	t.Run("Invalid", func(t *testing.T) {
		c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response {
			return reply(400, `{"valid":false,"field":[{"name":"nope","valid":false,"attrType":null,"error":"unknown"}],"query":{"valid":true,"error":null}}`)
		}))
		v, err := c.ValidateEvents(t.Context(), "acme", search)
		if err != nil {
			t.Fatal(err)
		}
		if v.Valid || len(v.Fields) != 1 || v.Fields[0].Error != "unknown" || !v.Query.Valid {
			t.Errorf("validation = %+v", v)
		}
	})
	t.Run("Forbidden", func(t *testing.T) {
		c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response { return reply(403, `{}`) }))
		if _, err := c.ValidateEvents(t.Context(), "acme", search); !errors.Is(err, ErrForbidden) {
			t.Errorf("err = %v, want ErrForbidden", err)
		}
	})
}

func TestClient_fieldKeys(t *testing.T) {
	c := newTestClient(t, "https://host", serve(map[string]string{
		"/api/0/organizations/acme/tags/":                   `[{"key":"server_name","name":"Server Name"},{"name":"old"},{}]`,
		"/api/0/organizations/acme/trace-items/attributes/": `[{"key":"tags[step,number]","name":"step","attributeType":"number"},{"key":"span.op"}]`,
	}))
	tags, err := c.Tags(t.Context(), "acme", FieldSearch{Dataset: "errors"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Field{{Key: "server_name"}, {Key: "old"}}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	attributes, err := c.TraceItemAttributes(t.Context(), "acme", FieldSearch{Dataset: "spans"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Field{{Key: "step", Type: "number"}, {Key: "span.op"}}, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}
