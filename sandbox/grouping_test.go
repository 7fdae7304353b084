package sandbox

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type groupingAnswer map[string]struct {
	Key, Type, Description, Hash string
	HashMismatch, Contributes    bool
	Values                       []string
}

func TestGrouping(t *testing.T) {
	tests := []struct {
		name, event, by, kind string
		parts                 []string
	}{
		{"exception", thrown("KeyError", "x", `{"function":"load","module":"shop","lineno":3,"in_app":true},{"function":"get","module":"lib"}`), "exception", "component", []string{"KeyError", "shop|load"}},
		{"message", `{"message":"order 4711 of ann@example.test is late"}`, "message", "component", []string{"order <n> of <email> is late"}},
		{"fingerprint", `{"message":"late","fingerprint":["slow","{{ default }}"]}`, "fingerprint", "custom_fingerprint", []string{"slow", "late"}},
		{"place", `{"level":"fatal","logger":"jobs","transaction":"nightly"}`, "place", "component", []string{"fatal", "jobs", "nightly"}},
	}
	for _, tt := range tests {
		r := start(t, Options{Empty: true}).as(mara, reading...)
		r.ingest("event", tt.event)
		is := r.onlyIssue()
		var hashes []struct {
			ID          string
			LatestEvent struct{ ID, GroupID string }
		}
		r.get(issuesPath+is.ID+"/hashes/", &hashes)
		if len(hashes) != 1 || len(hashes[0].ID) != 32 || hashes[0].LatestEvent.GroupID != is.ID {
			t.Fatalf("%s: hashes %+v", tt.name, hashes)
		}
		for _, path := range []string{issuesPath + is.ID + "/events/latest", "/projects/acme-outdoors/storefront/events/" + hashes[0].LatestEvent.ID} {
			var got groupingAnswer
			r.get(path+"/grouping-info/", &got)
			v := got[tt.by]
			if diff := cmp.Diff(tt.parts, v.Values); diff != "" || v.Type != tt.kind || v.Hash != hashes[0].ID || v.HashMismatch || !v.Contributes || v.Description == "" {
				t.Errorf("%s: %s: %+v %s", tt.name, path, got, diff)
			}
		}
	}
}

func TestGrouping_Unknown(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("event", `{"message":"x"}`, "transaction", spanOfTwo)
	is := r.onlyIssue()
	transaction := r.text("SELECT event_id FROM item WHERE kind = 'transaction'")
	for _, path := range []string{
		issuesPath + is.ID + "/events/nonsense/grouping-info/", issuesPath + "999/hashes/", issuesPath + "999/events/latest/grouping-info/",
		"/projects/acme-outdoors/storefront/events/" + sentID(1) + "/grouping-info/", "/projects/acme-outdoors/storefront/events/" + transaction + "/grouping-info/",
	} {
		if w := r.api("GET", path, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "does not exist") {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
	var none []any
	if r.get(issuesPath+is.ID+"/hashes/?cursor=0:25:0", &none); len(none) != 0 {
		t.Errorf("a second page: %v", none)
	}
}
