package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/actors"
)

// watcher is an open stream and the URIs that it has told of.
type watcher struct {
	t    testing.TB
	name string
	uris chan string
	ack  string // what was granted; "" of a legacy stream
}

// watches opens a stream and waits until it is open.
func (r *runner) watches(name string, p probe) *watcher {
	r.t.Helper()
	resp := p.open(r.t, r.url)
	r.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s", name, resp.Status)
	}
	w := &watcher{t: r.t, name: name, uris: make(chan string, 100)}
	lines := bufio.NewScanner(resp.Body)
	if p.verb != http.MethodGet {
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: ") {
		}
		if w.ack = lines.Text(); !strings.Contains(w.ack, "notifications/subscriptions/acknowledged") {
			r.t.Fatalf("%s: %s", name, w.ack)
		}
	}
	go func() { // ends with the stream
		defer close(w.uris)
		for lines.Scan() {
			var m struct {
				Method string
				Params struct {
					URI  string
					Meta map[string]any `json:"_meta"`
				}
			}
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok || json.Unmarshal([]byte(data), &m) != nil || m.Method != "notifications/resources/updated" {
				continue
			}
			if tagged := m.Params.Meta["io.modelcontextprotocol/subscriptionId"] != nil; tagged == (p.verb == http.MethodGet) {
				w.t.Errorf("%s: %s is tagged as in the other era", name, data)
			}
			w.uris <- m.Params.URI
		}
	}()
	return w
}

// told waits until each of uris has been told of, and fails when something else
// comes before. What is told once too often is found by the next call.
func (w *watcher) told(uris ...string) {
	w.t.Helper()
	var got []string
	for range uris {
		select {
		case uri := <-w.uris:
			got = append(got, uri)
		case <-time.After(20 * time.Second):
			w.t.Fatalf("%s is told of %v, want %v", w.name, got, uris)
		}
	}
	slices.Sort(got)
	slices.Sort(uris)
	if diff := cmp.Diff(uris, got); diff != "" {
		w.t.Errorf("%s is told (-want +got):\n%s", w.name, diff)
	}
}

func listening(uris ...string) probe {
	list, err := json.Marshal(uris)
	if err != nil {
		panic(err)
	}
	return modern("subscriptions/listen", "", fmt.Sprintf(`"notifications":{"resourceSubscriptions":%s}`, list))
}

// An issue is resolved and reopened by one client. All others who watch it are
// told, each once, in both eras and in every context that has it.
func TestWatch(t *testing.T) {
	r := startTuned(t, func(contexts *actors.Config) {
		contexts.Transport.Watch.MinInterval = 100 * time.Millisecond
		contexts.Transport.Watch.MaxInterval = 100 * time.Millisecond
	})
	writes := r.at(r.login(mara, "", "inspect", "triage"), "/acme-outdoors")
	id := regexp.MustCompile(`STOREFRONT-[0-9A-Z]+`).FindString(writes.Call("search_issues", map[string]any{"query": "is:unresolved", "projectSlugOrId": "storefront"}))
	if writes.Failed() || id == "" {
		t.Fatalf("no issue: %s", writes.Diag())
	}
	const (
		storefront, outdoors = "sentry://acme-outdoors/storefront/issues", "sentry://acme-outdoors/issues"
		sibling, elsewhere   = "sentry://acme-outdoors/checkout-api/issues", "sentry://globex-labs/issues"
	)
	issue := "sentry://acme-outdoors/issues/" + id
	reads, jons := r.login(mara, "", "inspect").token(t), r.login(jon, "", "inspect").token(t)

	inProject, inOrg := "/acme-outdoors/storefront", "/acme-outdoors"
	session := func(place, token string, uris ...string) *watcher {
		s := r.session(place, token)
		stream := legacy(s, "", "").at(place, token)
		stream.verb, stream.body = http.MethodGet, ""
		w := r.watches("the session at "+place, stream)
		for _, uri := range uris {
			if got := legacy(s, "resources/subscribe", fmt.Sprintf(`"uri":%q`, uri)).at(place, token).send(t, r.url).message(t); got.Error != nil {
				t.Fatalf("subscribe to %s: %+v", uri, got.Error)
			}
		}
		return w
	}
	watchers := map[*watcher][]string{
		r.watches("mara in the project", listening(issue, storefront, outdoors, sibling, elsewhere).at(inProject, reads)): {issue, storefront},
		r.watches("mara beside herself", listening(issue).at(inProject, reads)):                                           {issue},
		r.watches("jon in the project", listening(issue, elsewhere).at(inProject, jons)):                                  {issue},
		r.watches("mara in the organization", listening(outdoors, sibling, storefront).at(inOrg, reads)):                  {outdoors, storefront},
		r.watches("mara everywhere", listening(elsewhere, outdoors, issue).at("", reads)):                                 {outdoors, issue},
		r.watches("mara in another organization", listening(issue, outdoors, elsewhere).at("/globex-labs", reads)):        nil,
		session(inProject, reads, issue, storefront):                                                                      {issue, storefront},
		session(inOrg, jons, outdoors): {outdoors},
	}
	for w := range watchers {
		if w.ack != "" && strings.Contains(w.ack, elsewhere) != slices.Contains([]string{"mara everywhere", "mara in another organization"}, w.name) {
			t.Errorf("%s is granted: %s", w.name, w.ack)
		}
	}
	for _, status := range []string{"resolved", "unresolved", "resolved"} {
		writes.Call("update_issue", map[string]any{"issueId": id, "status": status})
		if writes.Failed() {
			t.Fatal(writes.Diag())
		}
		for w, uris := range watchers {
			w.told(uris...)
		}
	}
}

// What a caller may not watch is refused in a session as it is refused to be
// read.
func TestWatch_refused(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "", "inspect").token(t)
	const place = "/acme-outdoors/storefront"
	s := r.session(place, token)
	for _, uri := range []string{
		"sentry://globex-labs/issues", "sentry://globex-labs/collector/issues", "sentry://acme-outdoors/issues", "sentry://acme-outdoors/checkout-api/issues",
		"sentry://acme-outdoors/issues/STOREFRONT-ZZZZ", "sentry://acme-outdoors/issues/CHECKOUT-API-1", "sentry://acme-outdoors/issues/COLLECTOR-1", "sentry://Acme-Outdoors/storefront/issues",
	} {
		for _, method := range []string{"resources/read", "resources/subscribe"} {
			got := legacy(s, method, fmt.Sprintf(`"uri":%q`, uri)).at(place, token).send(t, r.url)
			if m := got.message(t); m.Error == nil || m.Error.Code != -32002 || got.status != http.StatusOK {
				t.Errorf("%s of %s: %d %s", method, uri, got.status, got.body)
			}
		}
		got := modern("resources/read", uri, fmt.Sprintf(`"uri":%q`, uri)).at(place, token).send(t, r.url)
		if m := got.message(t); m.Error == nil || m.Error.Code != -32602 || got.status != http.StatusBadRequest {
			t.Errorf("resources/read of %s: %d %s", uri, got.status, got.body)
		}
	}
}
