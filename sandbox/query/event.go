package query

import (
	"encoding/json"
	"slices"
	"time"
)

// Env is what a query depends on besides its text.
type Env struct {
	Now          time.Time
	UserID       int64            // whom "me" means
	Guest        bool             // the user knows only who shares a team with her
	Start, End   time.Time        // the zero time leaves that end open
	Projects     []int64          // rows of other projects do not exist; none means no rows
	Environments []string         // empty means all
	Teams        map[string]int64 // by slug
	MyTeams      []int64          // what "my_teams" means
}

// Cond is a compiled query. It includes the projects, the time range and the
// environments of its Env.
type Cond struct {
	where, having fragment
	keys          []string
	metrics       []fragment // each true for the rows of a metric that a function is about
}

// SQL is the condition for WHERE.
func (c *Cond) SQL() (where string, args []any) { return c.where.sql, c.where.args }

// Having is the condition on functions such as count(), "1" when there is none.
func (c *Cond) Having() (having string, args []any) { return c.having.sql, c.having.args }

// Keys are the keys that the query names, each once, in order.
func (c *Cond) Keys() []string { return c.keys }

// ParseEvents compiles a search for items of a dataset. The condition is over
// item it JOIN project p ON p.id = it.project. The error is an *Error.
func ParseEvents(datasetName, q string, env Env) (*Cond, error) {
	d, err := findDataset(datasetName)
	if err != nil {
		return nil, err
	}
	tree, err := parse(q)
	if err != nil {
		return nil, err
	}
	plain, aggregate, err := split(tree)
	if err != nil {
		return nil, err
	}
	out := &Cond{keys: tree.keys()}
	c := compiler{env, d, &out.metrics}
	where, err := plain.fold(c.event)
	if err != nil {
		return nil, err
	}
	if out.having, err = aggregate.fold(c.aggregate); err != nil {
		return nil, err
	}
	// A sum cannot use an index. SQLite would take the one on kind and project,
	// and read every row in range to find a trace.
	sum := ""
	if slices.ContainsFunc(plain.kids, c.selective) {
		sum = "+"
	}
	kind := raw(sum+"it.kind = ?", d.kind)
	if d.besides != "" {
		kind = raw(sum+"it.kind IN (?, ?)", d.kind, d.besides)
	}
	out.where = join(" AND ", append([]fragment{kind, c.projects(sum + "it.project")}, append(c.scope(), where)...))
	return out, nil
}

// selective tells whether a term finds its rows by an index of their own.
func (c compiler) selective(n node) bool {
	t := n.term
	if t == nil || t.neg || t.op != "=" || t.missing() || slices.ContainsFunc(t.values, value.wild) {
		return false
	}
	return c.data.column(t.key).indexed
}

type compiler struct {
	env     Env
	data    *dataset
	metrics *[]fragment // collects those of Cond; may be nil
}

// projects takes the ids as one JSON array: there may be more than SQLite has
// parameters.
func (c compiler) projects(column string) fragment {
	ids, err := json.Marshal(append([]int64{}, c.env.Projects...))
	if err != nil {
		return raw("0")
	}
	return raw(column+" IN (SELECT value FROM json_each(?))", string(ids))
}

// scope confines items to the time range and the environments.
func (c compiler) scope() []fragment {
	var all []fragment
	if !c.env.Start.IsZero() {
		all = append(all, raw("it.ts >= ?", unixSeconds(c.env.Start)))
	}
	if !c.env.End.IsZero() {
		all = append(all, raw("it.ts <= ?", unixSeconds(c.env.End)))
	}
	if len(c.env.Environments) > 0 {
		args := make([]any, 0, len(c.env.Environments))
		for _, name := range c.env.Environments {
			args = append(args, name)
		}
		x := c.data.column(key{name: "environment"}).scalar()
		all = append(all, raw(x+" IN ("+marks(len(args))+")", args...))
	}
	return all
}

// fold compiles a tree whose terms leaf compiles.
func (n node) fold(leaf func(*term) (fragment, error)) (fragment, error) {
	if n.kind == nodeTerm {
		return leaf(n.term)
	}
	var parts []fragment
	for _, kid := range n.kids {
		f, err := kid.fold(leaf)
		if err != nil {
			return fragment{}, err
		}
		parts = append(parts, f)
	}
	switch n.kind {
	case nodeOr:
		return join(" OR ", parts), nil
	case nodeNot:
		return parts[0].negate(), nil
	}
	return join(" AND ", parts), nil
}

// split separates conditions on rows from conditions on functions, which SQL
// wants in two places.
func split(n node) (plain, aggregate node, err error) {
	plain, aggregate = node{kind: nodeAnd}, node{kind: nodeAnd}
	if n.kind == nodeAnd {
		for _, kid := range n.kids {
			p, a, err := split(kid)
			if err != nil {
				return plain, aggregate, err
			}
			plain.kids = append(plain.kids, p.kids...)
			aggregate.kids = append(aggregate.kids, a.kids...)
		}
		return plain, aggregate, nil
	}
	isCall := func(t *term) bool { return t.key.call != nil }
	switch first := n.find(isCall); {
	case first == nil:
		plain.kids = []node{n}
	case n.find(func(t *term) bool { return !isCall(t) }) != nil:
		err = first.errorf("a function can be combined by OR or NOT only with other functions")
	default:
		aggregate.kids = []node{n}
	}
	return plain, aggregate, err
}

func (n node) find(is func(*term) bool) (found *term) {
	n.terms(func(t *term) bool {
		if is(t) {
			found = t
		}
		return found == nil
	})
	return found
}

func (n node) keys() []string {
	names := []string{}
	n.terms(func(t *term) bool {
		name := t.key.String()
		if name == "has" {
			name = t.values[0].literal()
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return true
	})
	return names
}

// event compiles one term about an item.
func (c compiler) event(t *term) (fragment, error) {
	switch t.key.name {
	case "":
		return c.freeText(t), nil
	case "has":
		k, err := t.presence()
		if err != nil {
			return fragment{}, err
		}
		return t.signed(present(c.data.column(k))), nil
	case "issue":
		if id, ok := c.data.columns["issue.id"]; ok && !t.key.tag {
			return t.naming(c.data.column(t.key), id, c.env.Now)
		}
	case "release":
		return t.released(c.data.column(t.key), "it.project", c.env.Now)
	}
	return t.on(c.data.column(t.key), c.env.Now)
}

func (c compiler) freeText(t *term) fragment {
	pattern := "%" + t.values[0].like() + "%"
	var either []fragment
	for _, name := range c.data.text {
		x := c.data.column(key{name: name}).scalar()
		either = append(either, raw(x+` LIKE ? ESCAPE '\'`, pattern))
	}
	return join(" OR ", either)
}

// signed applies the term's own negation to a condition.
func (t *term) signed(f fragment) fragment {
	if t.neg {
		return f.negate()
	}
	return f
}

// presence reads the key that a has: term asks for.
func (t *term) presence() (key, error) {
	k, ok := parseKey(t.values[0].literal())
	if t.op != "=" || t.list || !ok || k.call != nil {
		return key{}, t.errorf("after has: one key belongs, as in has:user.email")
	}
	return k, nil
}

// parseKey reads a whole text as a key or a call of a function.
func parseKey(s string) (key, bool) {
	if attribute.MatchString(s) {
		return key{name: s}, true
	}
	scan := scanner{src: s}
	k, ok := scan.key()
	return k, ok && scan.pos == len(s) && (k.call != nil || attribute.MatchString(k.name))
}
