package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const spanOfTwo = `{"contexts":{"trace":{"trace_id":"` + traceID + `","span_id":"` + rootID + `"}},"spans":[{"span_id":"` + childID + `"}]}`

func logsOf(n int) string {
	return `{"items":[` + strings.Repeat(`{"level":"info","body":"x"},`, n-1) + `{"level":"info","body":"last"}]}`
}

func TestRetain_Age(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	r.ingest("event", `{"message":"old"}`, "transaction", spanOfTwo, "log", logsOf(2))
	r.put(issuesPath+r.onlyIssue().ID+"/", `{"assignedTo":"me"}`)
	r.clock.pass(keepFor)
	r.ingest("event", `{"message":"new"}`)
	if items, issues := r.rows("item"), r.rows("issue"); items != 7 || issues != 2 {
		t.Errorf("at the limit: %d items, %d issues", items, issues)
	}
	r.clock.pass(retainEvery)
	r.ingest("session", `{}`)
	if got := r.onlyIssue(); got.Title != "new" {
		t.Errorf("issue %+v", got)
	}
	if items, activities := r.rows("item"), r.rows("activity"); items != 1 || activities != 0 {
		t.Errorf("%d items and %d activities, want the new event alone", items, activities)
	}
	r.ingest("event", `{"message":"old"}`)
	if got := r.issues("is:new"); len(got) != 2 || got[0].ShortID == "STOREFRONT-1" || got[1].ShortID == "STOREFRONT-1" {
		t.Errorf("the old fault again: %+v, want a new short id", got)
	}
}

func TestRetain_Count(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sb.keep = 3
	for i := range 6 {
		r.ingest("event", fmt.Sprintf(`{"message":"fault %c"}`, 'a'+i/2), "log", logsOf(1))
		r.clock.pass(time.Minute)
	}
	r.clock.pass(retainEvery)
	r.ingest("session", `{}`)
	var got []string
	for _, is := range r.issues("") {
		got = append(got, is.Title+" "+is.Count)
	}
	// Two were seen; one of the two events of b is gone.
	if want := "fault c 2, fault b 2"; strings.Join(got, ", ") != want || r.rows("item") != 6 {
		t.Errorf("issues %q, %d items; want %s and 6", got, r.rows("item"), want)
	}
}

// TestRetain_Bytes: what is large goes sooner, the oldest first, and an issue
// with its last event.
func TestRetain_Bytes(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for i := range 4 {
		r.ingest("event", fmt.Sprintf(`{"message":"fault %c","extra":{"a":%q}}`, 'a'+i, randomHex(5000)))
		if i == 0 { // from now on, two are what there may be
			if err := r.sb.read().QueryRow("SELECT 5 * (octet_length(attrs) + octet_length(body)) / 2 FROM item").Scan(&r.sb.keepSize); err != nil {
				t.Fatal(err)
			}
			r.sb.bulk = 1
			clear(r.sb.arrived.room)
		}
		r.clock.pass(time.Minute)
	}
	var got []string
	for _, is := range r.issues("") {
		got = append(got, is.Title)
	}
	if strings.Join(got, ", ") != "fault d, fault c" || r.rows("item") != 2 {
		t.Errorf("issues %q, %d items; want the newest two", got, r.rows("item"))
	}
}

// TestRetain_BulkOnly: bytes are counted once in so many, not with every item.
func TestRetain_BulkOnly(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sb.attached, r.sb.bulk = 10, 50
	r.sendAs(runA, "event", `{"message":"x"}`)
	r.sb.arrived.size[51001] = 0
	clear(r.sb.arrived.room)
	for i, want := range []int{1, 2, 3, 4, 1} {
		if r.attach(fmt.Sprintf(`,"filename":"%d"`, i), "0123456789"); r.rows("attachment") != want {
			t.Errorf("%d attachments after %d, want %d", r.rows("attachment"), i+1, want)
		}
		r.clock.pass(time.Second)
	}
}

// TestRetain_Burst: much that comes in at once is worked off bit by bit.
func TestRetain_Burst(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sb.keep = 3
	clear(r.sb.arrived.room)
	const n = 2*retainBatch + 100
	r.ingest("log", logsOf(n))
	for _, want := range []int{n - retainBatch, n + 1 - 2*retainBatch, 3, 3} {
		if got := r.rows("item"); got != want {
			t.Errorf("%d items, want %d", got, want)
		}
		r.ingest("log", logsOf(1))
	}
}

func TestRetain_LeavesTheSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	names, items := first.names(), first.rows("item")
	first.clock.pass(2 * keepFor)
	first.ingest("session", `{}`)
	if got := first.rows("item"); got != items {
		t.Errorf("%d items of the seed, want %d", got, items)
	}
	r, _ := startLater(t, path, first.token, 2*keepFor)
	if got := r.names(); len(got) != len(names) || len(r.issues("lastSeen:-48h")) == 0 {
		t.Errorf("issues at the next start: %q", got)
	}
}

// TestRetain_ThenSeed: the story is told again once nothing is left, and not
// before.
func TestRetain_ThenSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	names := first.names()
	first.clock.pass(20 * 24 * time.Hour)
	first.ingest("event", `{"message":"mine"}`)

	r, log := startLater(t, path, first.token, 20*24*time.Hour+keepFor)
	if got := r.onlyIssue(); got.Title != "mine" || !strings.Contains(log, "keeps its old data") {
		t.Errorf("issue %+v, logged %q", got, log)
	}
	r, log = startLater(t, path, first.token, 25*24*time.Hour+keepFor)
	if got := r.names(); strings.Join(got, "\n") != strings.Join(names, "\n") || log != "" {
		t.Errorf("issues %q, logged %q", got, log)
	}
}

// TestRetain_IDsGivenOutAgain: what has the ids that the seed once had is not
// taken for the seed.
func TestRetain_IDsGivenOutAgain(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, writing...)
	items, activities := first.rows("item"), first.rows("activity")
	first.ingest("event", `{"message":"mine"}`)

	now := noon.Add(2 * keepFor)
	sb, err := New(t.Context(), Options{Path: path, Empty: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	r := &runner{T: t, sb: sb, token: first.token}
	if n := r.rows("item") + r.rows("issue") + r.rows("activity"); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
	r.ingest("event", `{"message":"mine"}`, "log", logsOf(items-1))
	for range activities {
		r.api("POST", issuesPath+r.onlyIssue().ID+"/notes/", `{"text":"mine"}`)
	}
	r, log := startLater(t, path, first.token, 2*keepFor+seedLife)
	if got := r.onlyIssue(); got.Title != "mine" || !strings.Contains(log, "keeps its old data") {
		t.Errorf("issue %+v, logged %q", got, log)
	}
}

// TestRetain_Activities: of an issue the newest are kept, as long as it lives.
func TestRetain_Activities(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	r.ingest("event", `{"message":"a","fingerprint":["a"]}`)
	id := r.onlyIssue().ID
	err := r.sb.write(t.Context(), func(tx *sql.Tx) error {
		for range maxActivities + 5 {
			if err := addActivity(t.Context(), tx, asID(id), 0, "note", nil, seconds(noon)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.pass(time.Minute)
	w := r.api("POST", issuesPath+id+"/notes/", `{"text":"the last word"}`)
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), "the last word") || r.rows("activity") != maxActivities {
		t.Errorf("%d %s; %d activities are kept, want %d", w.Code, w.Body, r.rows("activity"), maxActivities)
	}
}

// TestRetain_Sessions: who signs in again and again ends the first sessions.
func TestRetain_Sessions(t *testing.T) {
	r := start(t, Options{Empty: true})
	first, other := r.signedIn("1001"), r.signedIn("1002")
	var last *browserFake
	for range maxSessions {
		r.clock.pass(time.Second)
		last = r.signedIn("1001")
	}
	if n := r.rows("web_session"); n != maxSessions+1 {
		t.Errorf("%d sessions, want %d of one and one of the other", n, maxSessions)
	}
	in := func(b *browserFake) bool {
		_, ok, err := r.sb.signedIn(b.request())
		return ok && err == nil
	}
	if in(first) || !in(other) || !in(last) {
		t.Errorf("signed in: first %v, another %v, last %v", in(first), in(other), in(last))
	}
}

func (b *browserFake) request() *http.Request {
	req := httptest.NewRequest("GET", "/", nil)
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	return req
}

// TestRetain_Releases: senders make so many releases.
func TestRetain_Releases(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("event", `{"message":"a","release":"began@1"}`)
	for i := range 2 {
		r.clock.pass(time.Second)
		var items []string
		for n := range 1000 {
			items = append(items, "session", fmt.Sprintf(`{"sid":"%032x","init":true,"status":"ok","started":"2026-11-20T11:00:00Z","attrs":{"release":"shop@%d.%d"}}`, 1000*i+n+1, i, n))
		}
		r.ingest(items...)
	}
	if n := r.rows("release"); n != maxReleases+1 {
		t.Errorf("%d releases, want the newest %d and the one in which an issue began", n, maxReleases)
	}
	if w := r.api("GET", "/organizations/acme-outdoors/releases/shop@1.999/", ""); w.Code != http.StatusOK {
		t.Errorf("the newest: %d %s", w.Code, w.Body)
	}
}
