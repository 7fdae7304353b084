package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"roundhouse/actors"
)

// sessionProbes are all that can be done with a session id.
var sessionProbes = map[string]func(id string) probe{
	"POST": func(id string) probe { return legacy(id, "tools/list", "") },
	"notification": func(id string) probe {
		return probe{header: map[string]string{"Mcp-Session-Id": id}, body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`}
	},
	"response": func(id string) probe {
		return probe{header: map[string]string{"Mcp-Session-Id": id}, body: `{"jsonrpc":"2.0","id":1,"result":{}}`}
	},
	"GET": func(id string) probe {
		return probe{verb: http.MethodGet, header: map[string]string{"Mcp-Session-Id": id}}
	},
	"GET to resume": func(id string) probe {
		return probe{verb: http.MethodGet, header: map[string]string{"Mcp-Session-Id": id, "Last-Event-ID": "1"}}
	},
	"DELETE": func(id string) probe {
		return probe{verb: http.MethodDelete, header: map[string]string{"Mcp-Session-Id": id}}
	},
}

// TestSessionOwnership uses a session where it is not one's own: by another
// user, at another URL, after its end. Every time the answer is that to an id
// that was made up.
func TestSessionOwnership(t *testing.T) {
	const place = "/acme-outdoors"
	r := start(t, t.TempDir(), nil)
	alice, bob := r.login(mara, "").token(t), r.login(jon, "").token(t)
	id := r.session(place, alice)
	for name, p := range sessionProbes {
		for why, c := range map[string]struct{ id, place, token string }{
			"another user's":             {id, place, bob},
			"another URL's":              {id, place + "/storefront", alice},
			"that of a URL below":        {r.session(place+"/storefront", alice), place, alice},
			"one that was made up":       {strings.Repeat("A", len(id)), place, alice},
			"one with a letter changed":  {swapLast(id), place, alice},
			"one with another's end":     {id[:len(id)/2] + r.session(place, bob)[len(id)/2:], place, alice},
			"one that was cut":           {id[:len(id)-1], place, alice},
			"one that goes on":           {id + "A", place, alice},
			"one in another case":        {swapCase(id), place, alice},
			"one of very many letters":   {strings.Repeat("A", 4096), place, alice},
			"another user's at its URLs": {r.session("", bob), "", alice},
		} {
			got := p(c.id).at(c.place, c.token).send(t, r.url)
			if got.status != http.StatusNotFound {
				t.Errorf("%s with %s: %d, want 404: %.200s", name, why, got.status, got.body)
			}
			got.message(t)
			alike(t, name+" with "+why, got, p("made-up").at(c.place, c.token).send(t, r.url))
		}
	}
	tools := legacy(id, "tools/list", "").at(place, alice)
	if got := tools.send(t, r.url); got.status != http.StatusOK {
		t.Errorf("after all that others tried: %d %.200s", got.status, got.body)
	}
	for _, verb := range []string{http.MethodGet, http.MethodDelete} {
		if got := (probe{verb: verb}).at(place, alice).send(t, r.url); got.status != http.StatusBadRequest {
			t.Errorf("%s without a session: %d, want 400", verb, got.status)
		}
	}
	if got := modern("tools/list", "", "").with(map[string]string{"Mcp-Session-Id": id}).at(place, bob).send(t, r.url); got.status != http.StatusOK || got.header.Get("Mcp-Session-Id") != "" {
		t.Errorf("a modern request with somebody's session: %d, session %q", got.status, got.header.Get("Mcp-Session-Id"))
	}

	if got := sessionProbes["DELETE"](id).at(place, alice).send(t, r.url); got.status != http.StatusOK {
		t.Errorf("alice ends her session: %d %s", got.status, got.body)
	}
	for name, p := range sessionProbes {
		got := p(id).at(place, alice).send(t, r.url)
		if got.status != http.StatusNotFound {
			t.Errorf("%s on a session that was ended: %d, want 404", name, got.status)
		}
		alike(t, name+" on a session that was ended", got, p("made-up").at(place, alice).send(t, r.url))
	}
}

// swapLast changes the last letter.
func swapLast(id string) string {
	last := byte('A')
	if id[len(id)-1] == last {
		last = 'B'
	}
	return id[:len(id)-1] + string(last)
}

func swapCase(id string) string {
	if lower := strings.ToLower(id); lower != id {
		return lower
	}
	return strings.ToUpper(id)
}

// TestSessionOwnership_restart keeps a session id over a restart of the program:
// its client is told to begin anew.
func TestSessionOwnership_restart(t *testing.T) {
	const place = "/acme-outdoors"
	data := t.TempDir()
	r := start(t, data, nil)
	token := r.login(mara, "").token(t)
	id := r.session(place, token)
	r.stop()
	again := start(t, data, nil, "--addr", strings.TrimPrefix(r.url, "http://"))
	checkGone(t, again, place, token, id)
}

// TestSessionOwnership_passivation keeps one over a passivation.
func TestSessionOwnership_passivation(t *testing.T) {
	const place = "/acme-outdoors"
	r := startTuned(t, func(contexts *actors.Config) { contexts.Idle = 50 * time.Millisecond })
	token := r.login(mara, "").token(t)
	id := r.session(place, token)
	r.stderr.find(`(context passivated)`)
	checkGone(t, r, place, token, id)
}

func checkGone(t *testing.T, r *runner, place, token, id string) {
	t.Helper()
	for name, p := range sessionProbes {
		got := p(id).at(place, token).send(t, r.url)
		if got.status != http.StatusNotFound || !strings.Contains(got.body, "initialize") {
			t.Errorf("%s: %d, want 404 and the advice to initialize again: %s", name, got.status, got.body)
		}
		alike(t, name, got, p("made-up").at(place, token).send(t, r.url))
	}
	if got := legacy(r.session(place, token), "tools/list", "").at(place, token).send(t, r.url); got.status != http.StatusOK {
		t.Errorf("with a session of its own again: %d", got.status)
	}
}
