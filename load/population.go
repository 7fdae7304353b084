package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"roundhouse/load/client"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// population is who works where.
type population struct {
	users  map[int]*user
	askers []*asker
	marks  map[string]map[string]bool // by organization, shared by those who work there
	plain  bool                       // the server knows no organizations: every context is the URL itself
}

// user is one who signed in.
type user struct {
	n     int
	email string
	reach reach
	slugs []string        // of reach
	marks map[string]bool // of all of these

	authorize func(context.Context) (string, error) // nil: nobody signs in
}

// asker is one context: a user at a URL, with a client of its own. There may be
// a million.
type asker struct {
	*user
	place
	cfg   *Config
	n     int // in this worker
	era   client.Era
	plain bool
	issue string          // one that it sees; "": none is known
	marks map[string]bool // that its answers may have; nobody changes it

	asked  atomic.Bool // it has been activated, as far as is known
	client atomic.Pointer[client.Client]
}

// url is where a asks.
func (a *asker) url() string {
	if a.plain {
		return a.cfg.URL
	}
	return strings.TrimSuffix(a.cfg.URL, "/") + a.place.String()
}

// connect is a's client, made when it is needed first.
func (a *asker) connect() (*client.Client, error) {
	if c := a.client.Load(); c != nil {
		return c, nil
	}
	c, err := a.newClient("c", a.n, false)
	if err != nil {
		return nil, err
	}
	if !a.client.CompareAndSwap(nil, c) { // another call was first
		c = a.client.Load()
	}
	return c, nil
}

// newClient makes a further one. What it is for, and its number, are in the ids
// of its requests.
func (a *asker) newClient(what string, n int, tasks bool) (*client.Client, error) {
	return client.New(client.Config{URL: a.url(), Era: a.era, Authorize: a.authorize, Header: a.cfg.Header, HTTP: a.cfg.HTTP, Tasks: tasks,
		Prefix: fmt.Sprintf("w%d%s%d-", a.cfg.Worker, what, n)})
}

func (a *asker) String() string {
	who := a.email
	if who == "" {
		who = fmt.Sprintf("user %d", a.user.n)
	}
	return fmt.Sprintf("%s at %s (%s)", who, a.url(), a.era)
}

// home is the organization that a is asked about.
func (a *asker) home() string {
	switch {
	case a.org != "":
		return a.org
	case len(a.slugs) > 0:
		return a.slugs[0]
	}
	return ""
}

// errSignIn marks what the sign-in is to blame for.
var errSignIn = errors.New("sign-in")

// errUnauthorized is of a server that asks for a token, or for another one.
var errUnauthorized = errors.New("refused: 401; what is sent as Authorization is not good there")

// atOnce is how many sign in, or are asked about, at a time.
const atOnce = 16

// populate signs users in and spreads the contexts over them. The same seed
// makes the same contexts.
func populate(ctx context.Context, cfg *Config) (*population, error) {
	s := cfg.Scenario
	p := &population{users: map[int]*user{}, marks: map[string]map[string]bool{}}
	for n := 1; n <= s.Users; n++ {
		if s.Users < cfg.Workers || (n-1)%cfg.Workers == cfg.Worker {
			p.users[n] = &user{n: n}
		}
	}
	if err := p.signIn(ctx, cfg); err != nil {
		return nil, err
	}
	if err := p.learn(ctx, cfg); err != nil {
		return nil, err
	}
	if err := p.spread(cfg); err != nil {
		return nil, err
	}
	return p, p.findIssues(ctx, cfg)
}

// each does the same for all, so many at once.
func each[T any](ctx context.Context, atOnce int, all []T, do func(context.Context, T) error, progress func(done, of int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	for range min(atOnce, len(all)) {
		wg.Go(func() { // until the queue is closed
			for one := range queue {
				if err := do(ctx, one); err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				done++
				progress(done, len(all))
				mu.Unlock()
			}
		})
	}
	for _, one := range all {
		select {
		case queue <- one:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}

// inOrder are the users by number.
func (p *population) inOrder() []*user {
	return slices.SortedFunc(maps.Values(p.users), func(a, b *user) int { return a.n - b.n })
}

func (p *population) signIn(ctx context.Context, cfg *Config) error {
	if cfg.SignIn == nil {
		return nil
	}
	return each(ctx, atOnce, p.inOrder(), func(ctx context.Context, u *user) error {
		who, err := cfg.SignIn(ctx, u.n)
		if err != nil {
			return fmt.Errorf("sign in user %d: %w", u.n, err)
		}
		u.email = who.Email
		if who.Login != nil {
			u.authorize = func(ctx context.Context) (string, error) {
				header, err := who.Login.Authorization(ctx)
				if err != nil {
					return "", errors.Join(errSignIn, err)
				}
				return header, nil
			}
		}
		return nil
	}, cfg.phase("signing in"))
}

// learn finds out what each user sees.
func (p *population) learn(ctx context.Context, cfg *Config) error {
	if cfg.Scale != nil {
		most := cfg.Scenario.Contexts/max(cfg.Scenario.Users, 1) + 2
		for _, u := range p.users {
			u.reach = scaled(*cfg.Scale).of(u.n, most)
			u.slugs = u.reach.slugs()
		}
		return nil
	}
	users := p.inOrder()
	probe, err := p.probe(cfg, users[0])
	if err != nil {
		return err
	}
	schemas, err := listTools(ctx, probe)
	if errors.Is(err, errUnauthorized) {
		return fmt.Errorf("ask %s for its tools: %w", cfg.URL, err)
	}
	if err != nil {
		return fmt.Errorf("ask %s for its tools: %w; is this the URL of an MCP server of --era %s?", cfg.URL, err, cfg.Scenario.Era)
	}
	if _, ok := schemas["find_organizations"]; !ok {
		p.plain = true
		return lacking(cfg.Scenario.Calls, schemas)
	}
	return each(ctx, atOnce, users, func(ctx context.Context, u *user) error {
		probe, err := p.probe(cfg, u)
		if err != nil {
			return err
		}
		if u.reach, err = find(ctx, probe, cfg.Scenario.Place); err != nil {
			return fmt.Errorf("what user %d sees: %w", u.n, err)
		}
		u.slugs = u.reach.slugs()
		if _, ok := schemas["whoami"]; ok && u.email == "" {
			var who struct{ User struct{ Email string } }
			if err := ask(ctx, probe, "whoami", map[string]any{}, &who); err != nil {
				return fmt.Errorf("who user %d is: %w", u.n, err)
			}
			u.email = who.User.Email
		}
		return nil
	}, cfg.phase("asking who sees what"))
}

// lacking is an error if a call is of a tool that the server does not list.
func lacking(calls []scenario.Call, tools schema) error {
	for _, c := range calls {
		if _, ok := tools[c.Tool]; c.Tool != "" && !ok {
			return fmt.Errorf("the server has no tool %s, which the scenario calls; it has %s", c.Tool, strings.Join(slices.Sorted(maps.Keys(tools)), ", "))
		}
	}
	return nil
}

// probe is a client at the base URL, for questions before the run.
func (p *population) probe(cfg *Config, u *user) (*client.Client, error) {
	era := client.Modern
	if cfg.Scenario.Era == scenario.Legacy {
		era = client.Legacy
	}
	return client.New(client.Config{URL: cfg.URL, Era: era, Authorize: u.authorize, Header: cfg.Header, HTTP: cfg.HTTP, Prefix: fmt.Sprintf("w%du%d-", cfg.Worker, u.n)})
}

// spread makes the contexts: in rounds, each user gets one further place in each.
func (p *population) spread(cfg *Config) error {
	s := cfg.Scenario
	wanted, total := 0, 0
	places := map[int][]place{}
	for n, u := range p.users {
		places[n] = p.placesOf(cfg, u)
		total += len(places[n])
		wanted += shareOf(s.Contexts, n-1, s.Users)
	}
	if total < wanted {
		return fmt.Errorf("%d users have %d contexts at place: %s, and the scenario wants %d of them: ask for --contexts %d, for more users, or for a sandbox with more (sandbox: {orgs: …, projects: …})",
			len(p.users), total, s.Place, wanted, max(total, 1))
	}
	made := 0
	for round := 0; made < wanted; round++ {
		for n := 1; n <= s.Users && made < wanted; n++ {
			if round >= len(places[n]) {
				continue
			}
			// Fewer users than workers are in all of them, which take turns.
			if s.Users >= cfg.Workers || made%cfg.Workers == cfg.Worker {
				p.add(cfg, p.users[n], places[n][round])
			}
			made++
		}
	}
	if len(p.askers) == 0 {
		return fmt.Errorf("there are %d contexts for %d workers; ask for fewer --workers", s.Contexts, cfg.Workers)
	}
	return nil
}

func shareOf(n, worker, workers int) int { return n/workers + min(max(n%workers-worker, 0), 1) }

func (p *population) placesOf(cfg *Config, u *user) []place {
	if p.plain {
		return make([]place, cfg.Scenario.Contexts/cfg.Scenario.Users+1)
	}
	all := u.reach.places(cfg.Scenario.Place)
	r := rand.New(rand.NewPCG(cfg.Seed, uint64(u.n)))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	// Some are at one URL in any case, two for each era: between them there is
	// nothing but the token.
	if at := slices.Index(all, place{}); at > 0 && u.n <= 4 {
		all[0], all[at] = all[at], all[0]
	}
	return all
}

func (p *population) add(cfg *Config, u *user, at place) {
	a := &asker{user: u, place: at, cfg: cfg, n: len(p.askers), era: client.Modern, plain: p.plain}
	if cfg.Scenario.Era == scenario.Legacy || cfg.Scenario.Era == scenario.Both && a.n%2 == 1 {
		a.era = client.Legacy
	}
	a.marks = u.marks
	if at.org != "" {
		a.marks = p.marksOf([]string{at.org})
	} else if u.marks == nil {
		u.marks = p.marksOf(u.slugs)
		a.marks = u.marks
	}
	if cfg.Scale != nil {
		a.issue = scaled(*cfg.Scale).issue(a.someProject())
	}
	p.askers = append(p.askers, a)
}

// findIssues finds one for each context of a server that is not the run's own,
// if a call is about issues.
func (p *population) findIssues(ctx context.Context, cfg *Config) error {
	wanted := slices.ContainsFunc(cfg.Scenario.Calls, func(c scenario.Call) bool { return strings.Contains(fmt.Sprint(c.Arguments), "{issue}") })
	if !wanted || cfg.Scale != nil || p.plain {
		return nil
	}
	return each(ctx, atOnce, p.askers, func(ctx context.Context, a *asker) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		a.asked.Store(true)
		a.issue, err = findIssue(ctx, c, a)
		return err
	}, cfg.phase("looking for issues"))
}

// marksOf are those of the organizations, the same map for the same lone one.
func (p *population) marksOf(orgs []string) map[string]bool {
	if len(orgs) == 1 && p.marks[orgs[0]] != nil {
		return p.marks[orgs[0]]
	}
	all := make(map[string]bool, len(orgs))
	for _, org := range orgs {
		all[sandbox.Mark(org)] = true
	}
	if len(orgs) == 1 {
		p.marks[orgs[0]] = all
	}
	return all
}

// someProject is the one that a is at, or else one that it sees.
func (a *asker) someProject() string {
	if a.project != "" {
		return a.project
	}
	for _, o := range a.reach {
		if len(o.projects) > 0 && o.slug == a.home() {
			return o.projects[0]
		}
	}
	return ""
}
