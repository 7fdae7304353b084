package query

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A fragment is SQL with the values it binds, in order.
type fragment struct {
	sql  string
	args []any
}

func raw(sql string, args ...any) fragment { return fragment{sql, args} }

// wrap puts fixed SQL around f.
func (f fragment) wrap(before, after string) fragment {
	return fragment{before + f.sql + after, f.args}
}

// negate matches exactly the rows that f does not. NOT alone would lose those
// for which f is NULL, such as rows that lack the key.
func (f fragment) negate() fragment { return f.wrap("NOT coalesce((", "), 0)") }

// join combines conditions with " AND " or " OR ". No condition is true.
func join(operator string, all []fragment) fragment {
	switch len(all) {
	case 0:
		return raw("1")
	case 1:
		return all[0]
	}
	var out fragment
	var texts []string
	for _, f := range all {
		texts = append(texts, f.sql)
		out.args = append(out.args, f.args...)
	}
	out.sql = "(" + strings.Join(texts, operator) + ")"
	return out
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// on is the condition that t's values, whatever its key, hold for the column.
func (t *term) on(c column, now time.Time) (fragment, error) {
	var f fragment
	var err error
	switch {
	case t.missing():
		f = present(c).negate()
	case c.typ == Array:
		f, err = t.compare(column{expr: "el.value"}, now)
		f = f.wrap("EXISTS (SELECT 1 FROM "+c.elements()+" WHERE ", ")")
	default:
		f, err = t.compare(c, now)
	}
	if t.neg {
		f = f.negate()
	}
	return f, err
}

// naming is the condition that the values, each a short id or a number, name
// the issue.
func (t *term) naming(short, id column, now time.Time) (fragment, error) {
	var numbers []value
	for _, v := range t.values {
		if isDigits.MatchString(string(v)) {
			numbers = append(numbers, v)
		}
	}
	if len(numbers) == 0 || t.op != "=" {
		return t.on(short, now)
	}
	words := term{span: t.span, key: t.key, op: t.op, values: t.values, list: t.list}
	byShort, err := words.on(short, now)
	if err != nil {
		return byShort, err
	}
	words.values, words.list = numbers, true
	byID, err := words.on(id, now)
	return t.signed(join(" OR ", []fragment{byShort, byID})), err
}

// released is on for a column of versions: latest among the values is the latest
// release of each row's project.
func (t *term) released(c column, project string, now time.Time) (fragment, error) {
	isLatest := func(v value) bool { return v == "latest" }
	if t.op != "=" || t.key.tag || !slices.ContainsFunc(t.values, isLatest) {
		return t.on(c, now)
	}
	either := []fragment{raw("(" + project + ", " + c.scalar() + ") IN " + latestRelease)}
	versions := term{span: t.span, key: t.key, op: t.op, values: slices.DeleteFunc(slices.Clone(t.values), isLatest), list: true}
	if len(versions.values) > 0 {
		f, err := versions.on(c, now)
		if err != nil {
			return f, err
		}
		either = append(either, f)
	}
	return t.signed(join(" OR ", either)), nil
}

var isDigits = regexp.MustCompile(`^\d{1,18}$`)

// missing is true for key:"", which matches rows without the key.
func (t *term) missing() bool { return t.op == "=" && !t.list && t.values[0] == "" }

func present(c column) fragment {
	if c.typ == Array {
		return raw("EXISTS (SELECT 1 FROM " + c.elements() + " WHERE coalesce(el.value, '') <> '')")
	}
	return raw("coalesce(" + c.scalar() + ", '') <> ''")
}

func (t *term) compare(c column, now time.Time) (fragment, error) {
	switch {
	case t.op != "=" && t.list:
		return fragment{}, t.errorf("a list of values cannot be compared with %s", t.op)
	case c.typ == Date:
		return t.during(c, now)
	case t.op != "=":
		return t.beyond(c)
	}
	return t.equal(c)
}

// beyond is an ordering. It is of numbers: an attribute's text is taken for
// one where it looks like one.
func (t *term) beyond(c column) (fragment, error) {
	if c.typ == String || c.typ == Boolean {
		return fragment{}, t.errorf("%s has no order: its type is %s; leave out the %s", t.key, c.typ, t.op)
	}
	n, ok := t.values[0].quantity(c)
	if !ok {
		return fragment{}, t.errorf("after %s a number belongs, as in 250, 1.5k, 200ms or 5%%", t.op)
	}
	x := c.measure()
	if c.typ == Any {
		x = asNumber(c.scalar())
	}
	return raw(x+" "+t.op+" ?", n), nil
}

func (t *term) equal(c column) (fragment, error) {
	x := c.scalar()
	if c.numeric() {
		x = c.measure()
	}
	var either []fragment
	var operands []any
	for _, v := range t.values {
		if v == "" {
			either = append(either, present(c).negate())
			continue
		}
		if c.contains || v.wild() {
			pattern := v.like()
			if c.contains && !v.wild() {
				pattern = "%" + pattern + "%"
			}
			either = append(either, raw(x+` LIKE ? ESCAPE '\'`, pattern))
			continue
		}
		some, err := t.operands(c, v)
		if err != nil {
			return fragment{}, err
		}
		operands = append(operands, some...)
	}
	if len(operands) > 0 {
		if c.fold {
			x += " COLLATE NOCASE"
		}
		in := raw(x+" IN ("+marks(len(operands))+")", operands...)
		if c.hex { // also tells SQLite that it may use a partial index
			in = in.wrap("(", " AND "+x+" <> '')")
		}
		either = append(either, in)
	}
	return join(" OR ", either), nil
}

// operands are the stored values that v stands for.
func (t *term) operands(c column, v value) ([]any, error) {
	n, isNumber := v.quantity(c)
	is, isTruth := v.truth()
	switch {
	case c.numeric() && !isNumber:
		return nil, t.errorf("%s has the type %s; %q is no number", t.key, c.typ, v)
	case c.numeric():
		return []any{n}, nil
	case c.typ == Boolean && !isTruth:
		return nil, t.errorf("%s is true or false", t.key.name)
	case c.typ == Boolean:
		return truths(is), nil
	}
	if c.hex {
		return []any{strings.ToLower(v.literal())}, nil
	}
	all := []any{v.literal()}
	if c.typ == Any && isNumber {
		all = append(all, n)
	}
	if c.typ == Any && isTruth {
		all = append(all, truths(is)...)
	}
	return all, nil
}

// during compares with a point or a stretch of time.
func (t *term) during(c column, now time.Time) (fragment, error) {
	if t.list {
		return fragment{}, t.errorf("a date cannot be in a list; %s", dateForms)
	}
	at, ok := t.values[0].instant(now)
	if !ok {
		return fragment{}, t.errorf(dateForms)
	}
	x := c.scalar()
	switch {
	case t.op != "=":
		return raw(x+" "+t.op+" ?", at.from), nil
	case at.relative == '-':
		return raw(x+" >= ?", at.from), nil
	case at.relative == '+':
		return raw(x+" <= ?", at.older(now)), nil
	}
	return raw("("+x+" >= ? AND "+x+" < ?)", at.from, at.to), nil
}

// older is the point that "+7d" means: seven days ago, not ahead.
func (at instant) older(now time.Time) float64 { return 2*unixSeconds(now) - at.from }
