package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"roundhouse/actors"
	"roundhouse/load/client"
	"roundhouse/load/login"
)

// TestLoadClient uses of a running program what the load harness does: streams
// in both eras, tasks, and the handles of another.
func TestLoadClient(t *testing.T) {
	r := startTuned(t, func(contexts *actors.Config) {
		contexts.Transport.Watch.MinInterval, contexts.Transport.Watch.MaxInterval = 100*time.Millisecond, 100*time.Millisecond
	})
	app, err := login.NewApp(t.Context(), login.Config{URL: r.url + "/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	shared := client.NewHTTP()
	t.Cleanup(shared.CloseIdleConnections)
	clients := 0
	connect := func(email, place string, era client.Era) *client.Client {
		t.Helper()
		user, err := app.SignIn(t.Context(), &login.Walker{Email: email, Skills: []string{"inspect", "triage", "analyze"}})
		if err != nil {
			t.Fatal(err)
		}
		clients++
		c, err := client.New(client.Config{URL: r.url + "/mcp" + place, Era: era, Authorize: user.Authorization, HTTP: shared, Prefix: fmt.Sprintf("%d-", clients), Tasks: era == client.Modern})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	call := func(c *client.Client, tool, arguments string) *client.Exchange {
		t.Helper()
		x, err := c.Call(t.Context(), tool, json.RawMessage(arguments))
		if err != nil || x.Status != http.StatusOK || x.Answer.Result == nil {
			t.Fatalf("%s: %v %+v", tool, err, x)
		}
		return x
	}
	modern, legacy, jons := connect(mara, "/acme-outdoors", client.Modern), connect(mara, "/acme-outdoors", client.Legacy), connect(jon, "/acme-outdoors", client.Legacy)
	jonsModern := connect(jon, "/acme-outdoors", client.Modern)

	issue := regexp.MustCompile(`STOREFRONT-[0-9A-Z]+`).FindString(string(call(modern, "search_issues", `{"query":"is:unresolved","projectSlugOrId":"storefront"}`).Answer.Result))
	uri := "sentry://acme-outdoors/issues/" + issue
	told, open := make(chan client.Event, 10), make(chan []string, 2)
	for _, c := range []*client.Client{modern, legacy} {
		go c.Listen(t.Context(), client.Subscription{
			URIs:    []string{uri, "sentry://globex-labs/issues"},
			OnOpen:  func(granted []string) { open <- granted },
			OnEvent: func(e client.Event) { told <- e },
		})
	}
	for range 2 {
		if granted := <-open; !slices.Equal(granted, []string{uri}) {
			t.Errorf("granted %v", granted)
		}
	}
	call(modern, "update_issue", fmt.Sprintf(`{"issueId":%q,"status":"resolved"}`, issue))
	for range 2 {
		select {
		case e := <-told:
			if e.Message.Method != "notifications/resources/updated" {
				t.Errorf("told of %+v", e)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a stream is told of nothing")
		}
	}

	task := call(modern, "analyze_issue", fmt.Sprintf(`{"issueId":%q}`, issue)).TaskID()
	taskID := json.RawMessage(fmt.Sprintf(`{"taskId":%q}`, task))
	if x, err := modern.Do(t.Context(), "tasks/get", task, taskID); task == "" || err != nil || x.Status != http.StatusOK || x.Answer.Error != nil {
		t.Errorf("task %q: %v %+v", task, err, x)
	}
	if x, err := jonsModern.Do(t.Context(), "tasks/get", task, taskID); err != nil || x.Answer.Error == nil {
		t.Errorf("another's task: %v %+v", err, x)
	}
	for _, verb := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		x, err := jons.Foreign(t.Context(), client.Foreign{Verb: verb, Session: legacy.Session(), Method: "tools/list"})
		if err != nil || x.Status != http.StatusNotFound {
			t.Errorf("%s with another's session: %v %+v", verb, err, x)
		}
	}
	if x, err := legacy.Do(t.Context(), "tools/list", "", nil); err != nil || x.Status != http.StatusOK || x.Reopened {
		t.Errorf("the session that another showed: %v %+v", err, x)
	}
	if x, err := legacy.Close(t.Context()); err != nil || x.Status != http.StatusOK {
		t.Errorf("close: %v %+v", err, x)
	}
}
