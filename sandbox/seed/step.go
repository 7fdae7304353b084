package seed

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// Step is one thing that happened: an envelope arrived, a release was deployed,
// or a person changed an issue. Steps come in the order of time.
type Step struct {
	At       time.Time
	Envelope []byte
	Deploy   *Deploy
	Change   *Change
}

// Change is what a person did to the issue that has the event.
type Change struct {
	EventID string
	Status  string // "resolved", "ignored" or "" for no change
	Assign  string // "user:ID" or "team:ID"; "": no change
	Note    string // what they wrote; "": nothing
}

// object is a JSON object.
type object = map[string]any

// person is somebody who used what failed.
type person struct{ id, email, ip string }

// crowd is the given persons and more of their kind, n in all.
func crowd(n int, of ...person) []person {
	names := []string{"ada", "bruno", "chidi", "dana", "emre", "freya", "goran", "hana", "ivo", "jola", "kai", "lior", "mina", "noor", "otto", "pilar"}
	for i := len(of); i < n; i++ {
		name := fmt.Sprintf("%s%d", names[i%len(names)], i)
		of = append(of, person{fmt.Sprintf("u-%d", 3000+7*i), name + "@example.test", fmt.Sprintf("198.51.100.%d", 1+i%250)})
	}
	return of
}

// teller tells one project's story.
type teller struct {
	org, mark string
	project   Project
	now       time.Time
	rand      *rand.Rand
	steps     []Step
}

// Steps tells what happened in the project of the organization, up to now.
// Everything that was sent carries the mark.
func (p Project) Steps(org, mark string, now time.Time) []Step {
	t := &teller{org: org, mark: mark, project: p, now: now, rand: rand.New(rand.NewPCG(uint64(p.ID), 7))}
	for i, r := range p.releases {
		t.deploy(i, r)
	}
	for _, h := range p.health {
		t.sessions(h)
	}
	for i, f := range p.faults {
		t.fault(i, f)
	}
	for i, r := range p.requests {
		t.request(i, r)
	}
	for i, l := range p.logs {
		t.log(i, l)
	}
	for _, s := range p.series {
		t.measure(s)
	}
	for _, j := range p.jobs {
		t.job(j)
	}
	for i, o := range p.opinions {
		t.opinion(i, o)
	}
	for _, v := range p.replays {
		t.record(v)
	}
	for i, c := range p.chats {
		t.chat(i, c)
	}
	slices.SortStableFunc(t.steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return t.steps
}

// hex makes an id that is the same for the same name.
func (t *teller) hex(digits int, name string, n int) string {
	return digest(digits, t.org, t.project.Slug, name, n)
}

func digest(digits int, parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:])[:digits]
}

// send adds an envelope of one item, whose payload is an object.
func (t *teller) send(at time.Time, kind, id string, header, payload object) {
	envelope := object{"sent_at": at.Format(time.RFC3339Nano), "sdk": object{"name": "roundhouse.seed", "version": "1"}}
	if id != "" {
		envelope["event_id"] = id
	}
	head := object{"type": kind}
	for k, v := range header {
		head[k] = v
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, v := range []object{envelope, head, payload} {
		if err := enc.Encode(v); err != nil {
			panic(fmt.Sprintf("seed: %v", err)) // the data are constants
		}
	}
	t.steps = append(t.steps, Step{At: at, Envelope: []byte(b.String())})
}

// sendAll adds an envelope with a container of so many items: logs, metrics or
// spans.
func (t *teller) sendAll(at time.Time, kind, content string, items []any) {
	header := object{"item_count": len(items), "content_type": "application/vnd.sentry.items." + content + "+json"}
	t.send(at, kind, "", header, object{"items": items})
}

func (t *teller) change(at time.Time, c Change) {
	t.steps = append(t.steps, Step{At: at, Change: &c})
}

// running is the release at the time.
func (t *teller) running(at time.Time) string {
	version := ""
	for _, r := range t.project.releases {
		if !at.Before(t.now.Add(-r.ago)) {
			version = r.version
		}
	}
	return version
}

// browser tells a project that runs in one.
func (t *teller) browser() bool { return strings.HasPrefix(t.project.Platform, "javascript") }

// platform is the one that events name: projects name a framework, too.
func (t *teller) platform() string {
	if t.browser() || t.project.Platform == "react-native" {
		return "javascript"
	}
	return t.project.Platform
}

// sdk is the one that projects of the platform use.
func (t *teller) sdk() object {
	name, version := "sentry.javascript.browser", "11.12.0"
	switch t.project.Platform {
	case "go":
		name, version = "sentry.go", "0.50.0"
	case "python":
		name, version = "sentry.python", "2.61.0"
	case "node":
		name = "sentry.javascript.node"
	case "react-native":
		name, version = "sentry.javascript.react-native", "8.9.0"
	}
	return object{"name": name, "version": version}
}

func (t *teller) runtime() object {
	switch t.project.Platform {
	case "go":
		return object{"name": "go", "version": "go1.26.8"}
	case "python":
		return object{"name": "CPython", "version": "3.13.2"}
	case "node":
		return object{"name": "node", "version": "v24.11.0"}
	case "react-native":
		return object{"name": "hermes", "version": "0.13"}
	}
	return object{"name": "browser", "version": "1"}
}

func stretch(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// pick takes from each list in turn.
func pick[T any](list []T, n int) T { return list[n%len(list)] }

// text is a string attribute in the form in which spans, logs and metrics are
// sent alone.
func text(v string) object { return object{"value": v, "type": "string"} }

// environment is where a thing runs unless it says otherwise.
func environment(name string) string { return cmp.Or(name, "production") }
