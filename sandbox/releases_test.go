package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReleases_List(t *testing.T) {
	r := start(t, Options{}).as(mara, reading...)
	for _, tt := range []struct{ reason, path, want string }{
		{"of an organization, newest first", "/organizations/acme-outdoors/releases/?query=storefront", "storefront@5.12.0 storefront@5.11.2 storefront@5.11.0 storefront@5.10.4"},
		{"of a project", "/projects/acme-outdoors/checkout-api/releases/", "checkout-api@2.8.0 checkout-api@2.7.3 checkout-api@2.7.1"},
		{"of one of the projects", "/organizations/acme-outdoors/releases/?project=checkout-api&per_page=1", "checkout-api@2.8.0"},
		{"the second page", "/projects/acme-outdoors/checkout-api/releases/?per_page=2&cursor=0:2:0", "checkout-api@2.7.1"},
		{"by a part, in any case", "/organizations/acme-outdoors/releases/?query=API@2.8", "checkout-api@2.8.0"},
		{"of another organization", "/organizations/acme-outdoors/releases/?query=collector", ""},
		{"a query is no pattern", "/organizations/acme-outdoors/releases/?query=%25", ""},
	} {
		var got []struct{ Version string }
		r.get(tt.path, &got)
		versions := make([]string, len(got))
		for i, v := range got {
			versions[i] = v.Version
		}
		if list := strings.Join(versions, " "); list != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, list, tt.want)
		}
	}
}

// TestReleases_Details: a version may have any characters, and be that of
// several projects.
func TestReleases_Details(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	const version = "@shop/web@1.0+a,b/ü"
	r.ingest("event", `{"message":"one","release":"`+version+`"}`)
	r.clock.pass(time.Hour)
	r.ingest("event", `{"message":"two","release":"`+version+`"}`, "event", `{"message":"one","release":"`+version+`"}`)
	path, key := r.dsn("acme-outdoors", "checkout-api")
	elsewhere, err := http.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "event", `{"message":"three","release":"`+version+`"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if w := r.send(elsewhere); w.Code != http.StatusOK {
		t.Fatalf("ingest = %d %s", w.Code, w.Body)
	}

	for _, tt := range []struct {
		in, last string
		issues   float64
	}{
		{"/organizations/acme-outdoors", "2026-11-20T13:00:00.000000Z", 3},
		{"/projects/acme-outdoors/storefront", "2026-11-20T13:00:00.000000Z", 2},
	} {
		where := tt.in + "/releases/" + url.PathEscape(version) + "/"
		var got map[string]any
		r.get(where+"?health=1", &got)
		projects := got["projects"]
		want := decoded(t, `{"version":"`+version+`","shortVersion":"1.0+a,b/ü","status":"open",
			"versionInfo":{"package":"@shop/web","description":"1.0+a,b/ü","version":{"raw":"1.0+a,b/ü"}},
			"dateCreated":"2026-11-20T12:00:00.000000Z","dateReleased":null,"firstEvent":"2026-11-20T12:00:00.000000Z","ref":null,"url":null,
			"authors":[],"commitCount":0,"lastCommit":null,"deployCount":0,"lastDeploy":null}`).(map[string]any)
		want["id"], want["projects"], want["lastEvent"], want["newGroups"] = "1", projects, tt.last, tt.issues
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", where, diff)
		}
		seen := map[string]float64{}
		list, _ := projects.([]any)
		for _, p := range list {
			o, _ := p.(map[string]any)
			slug, _ := o["slug"].(string)
			seen[slug], _ = o["newGroups"].(float64)
		}
		if diff := cmp.Diff(map[string]float64{"storefront": 2, "checkout-api": 1}, seen); diff != "" {
			t.Errorf("%s: new issues (-want +got):\n%s", where, diff)
		}
		var commits []any
		r.get(where+"commits/?per_page=5", &commits)
		if len(commits) != 0 {
			t.Errorf("commits = %v", commits)
		}
	}
	var deploys []any
	if r.get("/organizations/acme-outdoors/releases/"+url.PathEscape(version)+"/deploys/", &deploys); len(deploys) != 0 {
		t.Errorf("deploys = %v", deploys)
	}
}

func TestReleases_Access(t *testing.T) {
	r := start(t, Options{})
	jon := r.as(jon, reading...)
	for _, tt := range []struct {
		reason, path string
		want         int
	}{
		{"another's organization", "/organizations/globex-labs/releases/", 404},
		{"a release there", "/organizations/globex-labs/releases/collector@0.41.0/", 404},
		{"another's release", "/organizations/acme-outdoors/releases/collector@0.41.0/", 404},
		{"its commits", "/organizations/acme-outdoors/releases/collector@0.41.0/commits/", 404},
		{"its deploys", "/organizations/acme-outdoors/releases/collector@0.41.0/deploys/", 404},
		{"another's project", "/organizations/acme-outdoors/releases/?project=collector", 403},
		{"a release of another project", "/projects/acme-outdoors/storefront/releases/checkout-api@2.8.0/", 404},
		{"a release of the project", "/projects/acme-outdoors/checkout-api/releases/checkout-api@2.8.0/", 200},
		{"a bad page", "/organizations/acme-outdoors/releases/checkout-api@2.8.0/deploys/?per_page=0", 400},
	} {
		if w := jon.api("GET", tt.path, ""); w.Code != tt.want {
			t.Errorf("%s: GET %s = %d %s, want %d", tt.reason, tt.path, w.Code, w.Body, tt.want)
		}
	}
	if w := r.as(mara, "org:read", "event:read").api("GET", "/organizations/acme-outdoors/releases/", ""); w.Code != http.StatusForbidden {
		t.Errorf("without project:read: %d", w.Code)
	}
}
