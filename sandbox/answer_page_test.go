package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestPages_Links: whatever a link of an answer names has a page, for those who
// may see it.
func TestPages_Links(t *testing.T) {
	r := start(t, Options{})
	owner, stranger, visitor := r.signedIn("1001"), r.signedIn("1003"), &browserFake{r, map[string]*http.Cookie{}}
	one := func(statement string) (found string) {
		if err := r.sb.read().QueryRow(statement).Scan(&found); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		return url.PathEscape(found)
	}
	const acme = "p.org = (SELECT id FROM org WHERE slug = 'acme-outdoors')"
	event := one("SELECT it.event_id FROM item it JOIN issue i ON i.id = it.issue JOIN project p ON p.id = i.project WHERE i.category = 'error' AND " + acme + " LIMIT 1")
	short := one("SELECT i.short FROM item it JOIN issue i ON i.id = it.issue WHERE it.event_id = '" + event + "'")
	replay := one("SELECT it.event_id FROM item it JOIN project p ON p.id = it.project WHERE it.kind = 'replay' AND " + acme + " LIMIT 1")
	release := one("SELECT version FROM release WHERE org = (SELECT id FROM org WHERE slug = 'acme-outdoors') LIMIT 1")
	monitor := one("SELECT p.slug || '@' || m.slug FROM monitor m JOIN project p ON p.id = m.project WHERE " + acme + " LIMIT 1")
	monitor = strings.Replace(monitor, "@", "/", 1)
	dashboard := one("SELECT id FROM setting WHERE kind = 'dashboard' AND org = (SELECT id FROM org WHERE slug = 'acme-outdoors') LIMIT 1")
	conversation := one("SELECT attrs ->> '$.\"gen_ai.conversation.id\"' FROM item it JOIN project p ON p.id = it.project WHERE attrs ->> '$.\"gen_ai.conversation.id\"' <> '' AND " + acme + " LIMIT 1")
	search := "/?query=" + url.QueryEscape("release:*") + "&sort=-timestamp&statsPeriod=7d&field="
	for path, says := range map[string]string{
		"/issues/" + short + "/events/" + event + "/":                                   event,
		"/issues/?query=" + url.QueryEscape("is:unresolved level:error") + "&sort=date": "is:unresolved level:error",
		"/issues/?query=is%3Anonsense":                                                  "is:nonsense",
		"/issues/?query=nothingofthekind":                                               "0 issues",
		"/explore/discover/homepage" + search + "title&field=release":                   "release:*",
		"/explore/discover/homepage" + search + "nonsense()":                            "nonsense",
		"/explore/logs" + search + "message":                                            "message",
		"/explore/traces" + search + "span.op&field=count()":                            "count()",
		"/explore/traces/":                             "timestamp",
		"/replays/" + replay + "/":                     replay,
		"/explore/replays/" + replay:                   replay,
		"/releases/" + release + "/":                   "versionInfo",
		"/crons/" + monitor + "/":                      "slug",
		"/dashboard/" + dashboard + "/":                "widgets",
		"/explore/conversations/" + conversation + "/": "conversationId",
	} {
		path = "/organizations/acme-outdoors" + path
		w := owner.do("GET", path, nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), says) || !strings.Contains(w.Body.String(), `name="viewport"`) {
			t.Errorf("GET %s = %d, want %s: %s", path, w.Code, says, w.Body)
		}
		if w := visitor.do("GET", path, nil); w.Code != http.StatusUnauthorized {
			t.Errorf("a visitor, GET %s = %d", path, w.Code)
		}
		foreign, unknown := stranger.do("GET", path, nil), stranger.do("GET", strings.Replace(path, "acme-outdoors", "nowhere", 1), nil)
		if foreign.Code != http.StatusNotFound || nonce.ReplaceAllString(foreign.Body.String(), "") != nonce.ReplaceAllString(unknown.Body.String(), "") {
			t.Errorf("a stranger, GET %s = %d %s, want what an unknown organization gives", path, foreign.Code, foreign.Body)
		}
	}
	for _, path := range []string{"/replays/" + strings.Repeat("0", 32), "/releases/none", "/crons/storefront/none", "/dashboard/999999"} {
		if w := owner.do("GET", "/organizations/acme-outdoors"+path, nil); w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
}

// TestPages_SearchEscape: a link to a search holds whatever its sender likes.
func TestPages_SearchEscape(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("event", `{"message":"<script>alert(1)</script>","environment":"<img src=x>"}`)
	owner := r.signedIn("1001")
	evil := url.QueryEscape(`<script>alert(2)</script>`)
	for _, path := range []string{"/explore/discover/homepage/?field=title&field=environment&query=", "/explore/logs/?query=" + evil + "&field=" + evil, "/issues/?query=", "/issues/?sort=date&query=" + evil} {
		got := owner.do("GET", "/organizations/acme-outdoors"+path, nil).Body.String()
		if strings.Contains(got, "<script") || strings.Contains(got, "<img") || !strings.Contains(got, "&lt;script&gt;") {
			t.Errorf("GET %s: %s", path, got)
		}
	}
}
