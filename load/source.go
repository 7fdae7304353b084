package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"roundhouse/load/client"
	"roundhouse/load/measure"
	"roundhouse/load/pace"
	"roundhouse/load/scenario"
)

// source picks who asks what.
type source struct {
	run   *run
	calls []call
	sum   []float64 // of weights, up to each call

	rand *rand.Rand
	next int // of the askers, in turn
}

// call is one of the scenario's, ready to be made.
type call struct {
	kind   string
	tool   string // or
	method string
	name   string // that Mcp-Name says

	arguments string // JSON, with placeholders
	filled    bool   // it has some
	orgAt     map[shape]bool
	want      expected
}

// shape is what a URL names.
type shape int

const (
	atUser shape = iota
	atOrg
	atProject
)

func (p place) shape() shape {
	switch {
	case p.org == "":
		return atUser
	case p.project == "":
		return atOrg
	}
	return atProject
}

func newSource(ctx context.Context, r *run) (*source, error) {
	s := &source{run: r, rand: rand.New(rand.NewPCG(r.cfg.Seed, uint64(r.cfg.Worker)+1))}
	schemas, err := r.schemas(ctx)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, of := range r.cfg.Scenario.Calls {
		c, err := r.prepare(of, schemas)
		if err != nil {
			return nil, err
		}
		sum += of.Weight
		s.calls, s.sum = append(s.calls, c), append(s.sum, sum)
	}
	return s, nil
}

// schemas are the parameters of tools at each shape of URL that there is.
func (r *run) schemas(ctx context.Context) (map[shape]schema, error) {
	all := map[shape]schema{}
	if r.population.plain || !slices.ContainsFunc(r.cfg.Scenario.Calls, func(c scenario.Call) bool { return c.Tool != "" }) {
		return all, nil
	}
	for _, a := range r.population.askers {
		if all[a.shape()] != nil {
			continue
		}
		c, err := a.connect()
		if err != nil {
			return nil, err
		}
		a.asked.Store(true)
		if all[a.shape()], err = listTools(ctx, c); err != nil {
			return nil, fmt.Errorf("ask %s for its tools: %w", a.url(), err)
		}
		if len(all) == 3 {
			break
		}
	}
	return all, nil
}

// schema is the parameters of tools.
type schema map[string]map[string]bool

func listTools(ctx context.Context, c *client.Client) (schema, error) {
	x, err := c.Do(ctx, "tools/list", "", nil)
	if err != nil {
		return nil, err
	}
	defer x.Release()
	if x.Status == http.StatusUnauthorized {
		return nil, errUnauthorized
	}
	if outcome, reason := answered(x); outcome.Bad() {
		return nil, fmt.Errorf("refused: %s", reason)
	}
	var list struct {
		Tools []struct {
			Name        string
			InputSchema struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(x.Answer.Result, &list); err != nil {
		return nil, fmt.Errorf("read the list of tools: %w", err)
	}
	all := schema{}
	for _, t := range list.Tools {
		all[t.Name] = map[string]bool{}
		for name := range t.InputSchema.Properties {
			all[t.Name][name] = true
		}
	}
	return all, nil
}

const orgParameter = "organizationSlug"

func (r *run) prepare(of scenario.Call, schemas map[shape]schema) (call, error) {
	c := call{kind: of.Kind(), tool: of.Tool, method: of.Method, arguments: "{}", orgAt: map[shape]bool{}}
	if of.Arguments != nil {
		raw, err := json.Marshal(of.Arguments)
		if err != nil {
			return c, fmt.Errorf("arguments of %s: %w", c.kind, err)
		}
		c.arguments = string(raw)
	}
	for _, name := range []string{"{issue}", "{org}", "{project}"} {
		c.filled = c.filled || strings.Contains(c.arguments, name)
	}
	for at, tools := range schemas {
		_, given := of.Arguments[orgParameter]
		c.orgAt[at] = tools[c.tool][orgParameter] && !given
	}
	c.want.whoami = c.tool == "whoami"
	c.want.mark = r.cfg.Scale != nil && looks(of) && !forgets(r.cfg.Scenario.Faults)
	for _, key := range []string{"name", "uri"} {
		if text, ok := of.Arguments[key].(string); ok && c.method != "" {
			c.name = text
		}
	}
	return c, nil
}

// looks tells whether the answer has the mark of an event. Those of the sandbox
// are from two weeks before its beginning, so that a shorter time may find none.
func looks(of scenario.Call) bool {
	if of.Tool == "get_sentry_resource" && of.Arguments["resourceId"] == "{issue}" {
		return true // its latest event has it as a tag
	}
	fields, _ := of.Arguments["fields"].([]any)
	return of.Tool == "search_events" && of.Arguments["dataset"] == "errors" && of.Arguments["period"] == "30d" && of.Arguments["query"] == nil && slices.Contains(fields, any("mark"))
}

// forgets tells whether Sentry is made to deny what there is: an answer about an
// event that is gone has no mark.
func forgets(faults []scenario.Fault) bool {
	return slices.ContainsFunc(faults, func(f scenario.Fault) bool {
		return slices.ContainsFunc(f.Rules, func(r scenario.Rule) bool {
			return r.Status == 401 || r.Status == 403 || r.Status == 404 || r.Status == 410
		})
	})
}

// at is the JSON of the arguments for a.
func (c *call) at(a *asker) string {
	text := c.arguments
	if c.filled {
		text = strings.NewReplacer("{issue}", a.issue, "{org}", a.home(), "{project}", a.someProject()).Replace(text)
	}
	if !c.orgAt[a.shape()] {
		return text
	}
	org := fmt.Sprintf(`{"%s":%q`, orgParameter, a.home())
	if text == "{}" {
		return org + "}"
	}
	return org + "," + text[1:]
}

// Next is the next call, of whoever's turn it is.
func (s *source) Next() pace.Call {
	if s.rand.Float64() < s.run.cfg.Scenario.Handles {
		if c, ok := s.run.handles.next(s.rand); ok {
			return c
		}
	}
	a, c := s.asker(), s.call()
	first := !a.asked.Load() && a.asked.CompareAndSwap(false, true)
	return pace.Call{Name: c.kind, First: first, Do: func(ctx context.Context) (measure.Outcome, string) {
		return s.run.do(ctx, a, c)
	}}
}

func (s *source) asker() *asker {
	all := s.run.population.askers
	if s.run.cfg.Scenario.Order == scenario.Random {
		return all[s.rand.IntN(len(all))]
	}
	a := all[s.next%len(all)]
	s.next++
	return a
}

func (s *source) call() *call {
	x := s.rand.Float64() * s.sum[len(s.sum)-1]
	i, _ := slices.BinarySearch(s.sum, x)
	return &s.calls[min(i, len(s.calls)-1)]
}

// do makes a call and judges the answer.
func (r *run) do(ctx context.Context, a *asker, c *call) (measure.Outcome, string) {
	client, err := a.connect()
	if err != nil {
		return measure.Refused, "client"
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Scenario.Timeout.Duration)
	defer cancel()
	x, err := send(ctx, client, c, c.at(a))
	if err != nil {
		return lost(err)
	}
	defer x.Release()
	r.handles.noticed(a, client)
	want := c.want
	want.mark = want.mark && a.issue != "" // its project, or the first of its organization, has events
	return r.conclude(a, x, want)
}

func send(ctx context.Context, to *client.Client, c *call, arguments string) (*client.Exchange, error) {
	if c.tool != "" {
		return to.Call(ctx, c.tool, json.RawMessage(arguments))
	}
	return to.Do(ctx, c.method, c.name, json.RawMessage(arguments))
}

func lost(err error) (measure.Outcome, string) {
	if errors.Is(err, errSignIn) {
		return measure.Lost, "sign-in"
	}
	return measure.Lost, client.Reason(err)
}

// conclude counts an answer, and keeps it if it is not a's.
func (r *run) conclude(a *asker, x *client.Exchange, want expected) (measure.Outcome, string) {
	v, marked := r.canary.judge(a, x, want)
	r.checked.Add(1)
	if marked {
		r.marked.Add(1)
	}
	if v.wrong() {
		return r.wrong(a, x, v)
	}
	outcome, reason := answered(x)
	if outcome == measure.OK {
		if reason, failed := toolFailed(x.Answer.Result); failed {
			return measure.Failed, reason
		}
	}
	return outcome, reason
}
