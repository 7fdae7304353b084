package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
	"roundhouse/load/pace"
)

// kindOfHandle is what a context gives out, to be shown again.
type kindOfHandle string

const (
	sessionHandle  kindOfHandle = "session"
	taskHandle     kindOfHandle = "task"
	eventHandle    kindOfHandle = "event"
	resourceHandle kindOfHandle = "resource"
	issueHandle    kindOfHandle = "issue"
	placeHandle    kindOfHandle = "place"
	argumentHandle kindOfHandle = "argument"
)

// ways are how each kind is shown.
var ways = map[kindOfHandle][]string{
	sessionHandle:  {"POST", "GET", "DELETE"},
	taskHandle:     {"tasks/get", "tasks/cancel"},
	eventHandle:    {"GET"},
	resourceHandle: {"resources/read"},
	issueHandle:    {"tools/call"},
	placeHandle:    {"tools/list"},
	argumentHandle: {"tools/call"},
}

// local tells whether the server knows the handle without asking Sentry, whose
// faults would make two answers differ.
func (k kindOfHandle) local() bool {
	return k == sessionHandle || k == taskHandle || k == eventHandle
}

// handle is one that a context was given.
type handle struct {
	kind  kindOfHandle
	value string
	owner *asker
}

const (
	maxHandles = 1000 // of a kind that are remembered
	maxHandle  = 4096 // bytes of one
	maxTasks   = 16   // that are begun to have some
	taskLife   = 2 * time.Minute
)

// handles are those that the run knows of, and the attempts with them.
type handles struct {
	run     *run
	legacy  []*asker
	modern  []*asker
	beside  map[place][]*asker // where several users work, who they are
	unknown sync.Map           // by kind and way: the token of what is answered to a handle that nobody gave out

	clients atomic.Uint64 // that know tasks

	// disturbed counts what ends sessions by right: storms and commands.
	disturbed atomic.Uint64

	mu    sync.Mutex
	known map[kindOfHandle][]handle
	owned map[*asker]string // the session of each that is known
	tasks int
	begun time.Time // the latest task
	tried map[string]uint64
}

func newHandles(r *run) *handles {
	h := &handles{run: r, known: map[kindOfHandle][]handle{}, owned: map[*asker]string{}, tried: map[string]uint64{}, beside: map[place][]*asker{}}
	for _, a := range r.population.askers {
		h.beside[a.place] = append(h.beside[a.place], a)
		if a.era == client.Legacy {
			h.legacy = append(h.legacy, a)
		} else {
			h.modern = append(h.modern, a)
		}
	}
	maps.DeleteFunc(h.beside, func(_ place, all []*asker) bool { return len(all) < 2 })
	return h
}

// noticed remembers a's session.
func (h *handles) noticed(a *asker, c *client.Client) {
	if a.era != client.Legacy || h.run.cfg.Scenario.Handles == 0 {
		return
	}
	if id := c.Session(); id != "" {
		h.mu.Lock()
		defer h.mu.Unlock()
		if known := h.owned[a]; known != id && (known != "" || len(h.owned) < maxHandles) {
			h.owned[a] = id
			h.addLocked(handle{sessionHandle, id, a})
		}
	}
}

// add remembers a handle in the place of an older one.
func (h *handles) add(one handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(one)
}

func (h *handles) addLocked(one handle) {
	if len(one.value) > maxHandle {
		return
	}
	list := append(h.known[one.kind], one)
	if len(list) > maxHandles {
		list = list[1:]
	}
	h.known[one.kind] = list
}

// foreign tells whether the handle is not a's to use: it is of another user, or
// of another URL. Events are of streams, which have sessions of their own.
func (one handle) foreign(a *asker) bool {
	if !one.kind.local() {
		return !a.sees(one.owner.home()) || one.kind == issueHandle && one.owner.project != "" && a.project != "" && a.project != one.owner.project
	}
	return one.kind == eventHandle || one.owner.url() != a.url() || one.owner.user.differs(a.user)
}

// differs tells whether two are known to be different people: one who is signed
// in twice may use in the one what the other was given.
func (u *user) differs(from *user) bool {
	return u.email != "" && from.email != "" && !strings.EqualFold(u.email, from.email)
}

// sees tells whether a may see the organization where it is.
func (a *asker) sees(org string) bool {
	if a.org != "" {
		return a.org == org
	}
	return slices.Contains(a.slugs, org)
}

// next is an attempt with some handle of another context; ok is false if there
// is none yet.
func (h *handles) next(r *rand.Rand) (c pace.Call, ok bool) {
	kinds := []kindOfHandle{sessionHandle, taskHandle, eventHandle, resourceHandle, issueHandle, placeHandle, argumentHandle}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, kind := range kinds {
		if kind == taskHandle && h.needsTask() {
			owner := h.modern[r.IntN(len(h.modern))]
			return pace.Call{Name: "begin a task", Do: func(ctx context.Context) (measure.Outcome, string) { return h.beginTask(ctx, owner) }}, true
		}
		one, thief := h.draw(r, kind)
		if thief == nil {
			continue
		}
		way := ways[kind][r.IntN(len(ways[kind]))]
		return pace.Call{Name: "foreign " + string(kind), Do: func(ctx context.Context) (measure.Outcome, string) { return h.try(ctx, one, thief, way) }}, true
	}
	return c, false
}

// draw picks a handle and somebody to whom it is foreign.
func (h *handles) draw(r *rand.Rand, kind kindOfHandle) (one handle, thief *asker) {
	thieves := h.run.population.askers
	switch kind {
	case placeHandle:
		return h.drawPlace(r)
	case argumentHandle:
		return h.drawArgument(r)
	case sessionHandle, eventHandle:
		thieves = h.legacy
	case taskHandle:
		thieves = h.modern
	}
	if len(thieves) == 0 {
		return one, nil
	}
	switch kind {
	case resourceHandle:
		owner := thieves[r.IntN(len(thieves))]
		if owner.org == "" {
			return one, nil
		}
		one = handle{kind, "sentry://" + strings.TrimPrefix(owner.place.String(), "/") + "/issues", owner}
	case issueHandle:
		owner := thieves[r.IntN(len(thieves))]
		if owner.issue == "" {
			return one, nil
		}
		one = handle{kind, owner.issue, owner}
	default:
		h.mu.Lock()
		list := h.known[kind]
		h.mu.Unlock()
		if len(list) == 0 {
			return one, nil
		}
		if r.IntN(2) == 0 {
			if one, thief = h.drawNear(r, list); thief != nil {
				return one, thief
			}
		}
		one = list[r.IntN(len(list))]
	}
	for range 16 {
		if a := thieves[r.IntN(len(thieves))]; one.foreign(a) {
			return one, a
		}
	}
	return one, nil
}

// drawNear picks a handle of whom other users are at the very same URL, and one
// of these: nothing but the token is between them. An event is shown by its own
// context, in another session.
func (h *handles) drawNear(r *rand.Rand, list []handle) (one handle, thief *asker) {
	for range 64 {
		one = list[r.IntN(len(list))]
		near := h.beside[one.owner.place]
		if one.kind == eventHandle {
			near = []*asker{one.owner}
		}
		if len(near) == 0 {
			continue
		}
		if a := near[r.IntN(len(near))]; a.era == one.owner.era && one.foreign(a) {
			return one, a
		}
	}
	return one, nil
}

// needsTask: analyses are begun in the run's own sandbox alone.
func (h *handles) needsTask() bool {
	if h.run.cfg.Scale == nil || len(h.modern) < 2 || h.run.cfg.SignIn == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.begun) < taskLife/maxTasks || h.tasks >= maxTasks && time.Since(h.begun) < taskLife {
		return false
	}
	h.tasks++
	h.begun = time.Now()
	return true
}

// tasking is a client for a that says that it knows tasks: to others, each task
// is refused for that alone.
func (h *handles) tasking(a *asker) (*client.Client, error) {
	return a.newClient("t", int(h.clients.Add(1)), true)
}

// beginTask lets an issue be analyzed, to have the id of the task.
func (h *handles) beginTask(ctx context.Context, owner *asker) (measure.Outcome, string) {
	c, err := h.tasking(owner)
	if err != nil {
		return measure.Refused, "client"
	}
	ctx, cancel := context.WithTimeout(ctx, h.run.cfg.Scenario.Timeout.Duration)
	defer cancel()
	arguments := map[string]string{"issueId": owner.issue}
	if owner.org == "" {
		arguments[orgParameter] = owner.home()
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return measure.Refused, "client"
	}
	x, err := c.Call(ctx, "analyze_issue", raw)
	if err != nil {
		return lost(err)
	}
	defer x.Release()
	if id := x.TaskID(); id != "" {
		h.add(handle{taskHandle, id, owner})
	}
	return h.run.conclude(owner, x, expected{})
}

// try shows the handle with the thief's own token, and wants it to be refused.
func (h *handles) try(ctx context.Context, one handle, thief *asker, way string) (measure.Outcome, string) {
	ctx, cancel := context.WithTimeout(ctx, h.run.cfg.Scenario.Timeout.Duration)
	defer cancel()
	if one.kind == placeHandle {
		return h.tryPlace(ctx, one, thief)
	}
	c, err := thief.connect()
	if one.kind == taskHandle {
		c, err = h.tasking(thief)
	}
	if err != nil {
		return measure.Refused, "client"
	}
	own := ""
	if one.kind == eventHandle || !one.kind.local() && thief.era == client.Legacy {
		if own, err = sessionOf(ctx, c); err != nil {
			return lost(err)
		}
	}
	if one.kind == sessionHandle && way == "DELETE" {
		return h.tryEnd(ctx, one, thief, c)
	}
	x, err := c.Foreign(ctx, one.shown(way, own, one.value, thief))
	if err != nil {
		return lost(err)
	}
	outcome, reason := h.judge(one, thief, x)
	if outcome != measure.OK || !one.kind.local() {
		return outcome, reason
	}
	return h.alike(ctx, one, thief, c, way, own, x)
}

// sessionOf is the client's own session, begun if need be.
func sessionOf(ctx context.Context, c *client.Client) (string, error) {
	if id := c.Session(); id != "" {
		return id, nil
	}
	if _, err := c.Open(ctx); err != nil {
		return "", err
	}
	return c.Session(), nil
}

// shown is the request that shows value. own is the thief's session, where one
// is needed beside it.
func (one handle) shown(way, own, value string, thief *asker) client.Foreign {
	quoted, _ := json.Marshal(value) // a string always can be
	switch one.kind {
	case sessionHandle:
		if way == "POST" {
			return client.Foreign{Session: value, Method: "tools/list"}
		}
		return client.Foreign{Verb: way, Session: value}
	case taskHandle:
		return client.Foreign{Method: way, Name: value, Params: fmt.Appendf(nil, `{"taskId":%s}`, quoted)}
	case eventHandle:
		return client.Foreign{Verb: way, Session: own, LastEventID: value}
	case argumentHandle:
		return one.naming(own)
	case issueHandle:
		org := ""
		if thief.org == "" {
			org = fmt.Sprintf(",%q:%q", orgParameter, thief.home())
		}
		return client.Foreign{Session: own, Method: way, Name: "get_sentry_resource", Params: fmt.Appendf(nil, `{"name":"get_sentry_resource","arguments":{"resourceType":"issue","resourceId":%s%s}}`, quoted, org)}
	}
	return client.Foreign{Session: own, Method: way, Name: value, Params: fmt.Appendf(nil, `{"uri":%s}`, quoted)}
}

// judge wants the answer to be a refusal. One that says that it cannot answer
// now shows nothing.
func (h *handles) judge(one handle, thief *asker, x *client.Exchange) (measure.Outcome, string) {
	if busy(x) {
		return measure.Refused, fmt.Sprint(x.Status)
	}
	h.mu.Lock()
	h.tried[string(one.kind)]++
	h.mu.Unlock()
	h.run.checked.Add(1)
	served := x.Status/100 == 2 && x.Answer.Error == nil
	if _, failed := toolFailed(x.Answer.Result); failed {
		served = false
	}
	if served {
		return h.run.wrong(thief, x, wrongly("foreign "+string(one.kind), "the %s of %s was taken from another context", one.kind, one.owner))
	}
	return measure.OK, ""
}

// alike compares with what is answered to a handle that nobody gave out, which is
// asked once for each way, and again where they differ: whoever can tell the two
// apart learns what there is.
func (h *handles) alike(ctx context.Context, one handle, thief *asker, c *client.Client, way, own string, x *client.Exchange) (measure.Outcome, string) {
	key := string(one.kind) + " " + way
	got := token(x)
	if want, ok := h.unknown.Load(key); ok && want == got {
		return measure.OK, ""
	}
	unknown, err := c.Foreign(ctx, one.shown(way, own, strings.Repeat("A", max(len(one.value), 1)), thief))
	if err != nil || busy(unknown) {
		return measure.OK, ""
	}
	want := token(unknown)
	h.unknown.Store(key, want)
	if got != want {
		return h.run.wrong(thief, x, wrongly("foreign "+string(one.kind), "the %s of %s is told apart from one that does not exist: %s, and not %s", one.kind, one.owner, got, want))
	}
	return measure.OK, ""
}

// busy: the server could not answer now.
func busy(x *client.Exchange) bool {
	return x.Status == http.StatusTooManyRequests || x.Status >= http.StatusInternalServerError || x.Status == http.StatusUnauthorized
}

// token is what is compared of an answer.
func token(x *client.Exchange) string {
	if x.Answer.Error != nil {
		return fmt.Sprintf("%d, error %d", x.Status, x.Answer.Error.Code)
	}
	return fmt.Sprint(x.Status)
}

// tryEnd ends the session of another, who must not notice: a session that
// answered before has to answer afterwards. What else may have ended it
// meanwhile makes the attempt void.
func (h *handles) tryEnd(ctx context.Context, one handle, thief *asker, c *client.Client) (measure.Outcome, string) {
	owner, err := one.owner.connect()
	if err != nil {
		return measure.Refused, "client"
	}
	disturbed := h.disturbed.Load()
	before, err := h.alive(ctx, owner, one.value)
	if err != nil {
		return lost(err)
	}
	x, err := c.Foreign(ctx, one.shown(http.MethodDelete, "", one.value, thief))
	if err != nil {
		return lost(err)
	}
	if outcome, reason := h.judge(one, thief, x); outcome != measure.OK {
		return outcome, reason
	}
	after, err := owner.Foreign(ctx, client.Foreign{Session: one.value, Method: "ping"})
	if err != nil {
		return lost(err)
	}
	if before && after.Status == http.StatusNotFound && owner.Session() == one.value && h.disturbed.Load() == disturbed {
		return h.run.wrong(thief, x, wrongly("foreign session", "the session of %s was ended by another", one.owner))
	}
	return h.alike(ctx, one, thief, c, http.MethodDelete, "", x)
}

func (h *handles) alive(ctx context.Context, owner *client.Client, session string) (bool, error) {
	x, err := owner.Foreign(ctx, client.Foreign{Session: session, Method: "ping"})
	if err != nil {
		return false, err
	}
	return x.Status == http.StatusOK && bytes.Contains(x.Body, []byte(`"result"`)), nil
}
