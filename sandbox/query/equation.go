package query

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What an equation may have, so that SQLite can hold it.
const (
	equationPrefix = "equation|"
	maxEquation    = 1000 // bytes
	maxOperators   = 20
	maxNesting     = 16 // of parentheses and signs within each other
)

// operand is a part of an equation: SQL for a number or NULL.
type operand struct {
	fragment
	typ   Type // Any: a number written out, which takes on the other's type
	unit  string
	isAgg bool
	isRow bool // has a field in it
}

// formula reads and compiles an equation in one go: a sum of products of
// numbers, names and parentheses.
type formula struct {
	c         compiler
	text      string // the whole, with its prefix
	scan      scanner
	depth     int
	operators int
	operands  []string // functions and fields, as they were written
}

// equation compiles a field such as "equation|a + b * (c / d)", and tells what
// it is computed of.
func (c compiler) equation(text string) (operand, []string, error) {
	e := &formula{c: c, text: text, scan: scanner{src: strings.TrimPrefix(text, equationPrefix)}}
	if len(text) > maxEquation {
		return operand{}, nil, invalid("field", text, "an equation is at most %d bytes long", maxEquation)
	}
	x, err := e.sum()
	if err != nil {
		return x, nil, err
	}
	switch {
	case e.peek() == ')':
		return x, nil, e.errorf("this parenthesis has no opening one")
	case e.peek() != 0:
		return x, nil, e.errorf("an operator is missing here: + - * or /")
	case !x.isAgg && !x.isRow:
		return x, nil, invalid("field", text, "an equation has a function or a field in it")
	}
	return x, e.operands, nil
}

// errorf says what is wrong at the place that has been reached.
func (e *formula) errorf(format string, args ...any) *Error {
	pos := utf8.RuneCountInString(e.scan.src[:e.scan.pos]) + utf8.RuneCountInString(equationPrefix) + 1
	where := fmt.Sprintf("column %d", pos)
	if rest := e.scan.rest(); rest != "" {
		where += fmt.Sprintf(", near %q", cut(rest))
	}
	return invalid("field", e.text, "%s: %s", where, fmt.Sprintf(format, args...))
}

// peek skips space and tells the next byte, 0 at the end.
func (e *formula) peek() byte {
	e.scan.skipSpace()
	if e.scan.rest() == "" {
		return 0
	}
	return e.scan.rest()[0]
}

func (e *formula) sum() (operand, error) { return e.chain("+-", e.product) }

func (e *formula) product() (operand, error) { return e.chain("*/", e.factor) }

// chain reads operands with operators of the same rank between them.
func (e *formula) chain(operators string, next func() (operand, error)) (operand, error) {
	left, err := next()
	if err != nil {
		return left, err
	}
	for {
		op := e.peek()
		if op == 0 || !strings.ContainsRune(operators, rune(op)) {
			return left, nil
		}
		if e.operators++; e.operators > maxOperators {
			return left, e.errorf("an equation has at most %d operators", maxOperators)
		}
		e.scan.pos++
		right, err := next()
		if err != nil {
			return left, err
		}
		if left, err = e.combine(left, op, right); err != nil {
			return left, err
		}
	}
}

func (e *formula) combine(left operand, op byte, right operand) (operand, error) {
	out := operand{isAgg: left.isAgg || right.isAgg, isRow: left.isRow || right.isRow}
	if out.isAgg && out.isRow {
		return out, e.errorf("functions and fields cannot be mixed in an equation; put the field into a function, as in sum(FIELD)")
	}
	out.typ, out.unit = resultType(left, op, right)
	out.sql = "(" + left.sql + " " + string(op) + " " + right.sql + ")"
	out.args = slices.Concat(left.args, right.args)
	return out, nil
}

func resultType(left operand, op byte, right operand) (Type, string) {
	same := left.typ == right.typ && left.unit == right.unit
	switch {
	case op == '*' && (left.typ == Percentage || right.typ == Percentage): // often made into a number out of 100
	case left.typ == Any && op != '/':
		return right.typ, right.unit
	case right.typ == Any:
		return left.typ, left.unit
	case same && (op == '+' || op == '-'):
		return left.typ, left.unit
	}
	return Number, ""
}

// factor reads a number, a name, or a part in parentheses, with or without a
// sign.
func (e *formula) factor() (operand, error) {
	switch c := e.peek(); {
	case c == '(' || c == '-' || c == '+':
		if e.depth++; e.depth > maxNesting {
			return operand{}, e.errorf("more than %d parentheses and signs within each other", maxNesting)
		}
		defer func() { e.depth-- }()
		if c == '(' {
			return e.group()
		}
		e.scan.pos++
		x, err := e.factor()
		if c == '-' {
			x.fragment = x.wrap("(- ", ")")
		}
		return x, err
	case c == '.' || c >= '0' && c <= '9':
		return e.number()
	}
	return e.name()
}

func (e *formula) group() (operand, error) {
	open := *e
	e.scan.pos++
	x, err := e.sum()
	if err != nil {
		return x, err
	}
	if e.peek() != ')' {
		return x, open.errorf("this parenthesis is never closed")
	}
	e.scan.pos++
	return x, nil
}

var literal = regexp.MustCompile(`^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?`)

func (e *formula) number() (operand, error) {
	text := literal.FindString(e.scan.rest())
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return operand{}, e.errorf("this is no number that can be computed with")
	}
	e.scan.pos += len(text)
	return operand{fragment: raw("?", f)}, nil
}

// plainName is a field as it may stand in an equation: in any other, a - or a /
// would be part of the name. Those with one can be written as tags[a-b].
var plainName = regexp.MustCompile(`^[A-Za-z_][\w.]*`)

func (e *formula) name() (operand, error) {
	from := e.scan.pos
	name := plainName.FindString(e.scan.rest())
	if name == "" {
		return operand{}, e.errorf("a number, a field, a function or a parenthesis belongs here")
	}
	e.scan.pos += len(name)
	k := key{name: name}
	if e.scan.at('(') || e.scan.at('[') {
		var ok bool
		e.scan.pos = from
		if k, ok = e.scan.key(); !ok {
			e.scan.pos = from
			return operand{}, e.errorf("this function or tag cannot be read")
		}
	}
	at := formula{text: e.text, scan: scanner{src: e.scan.src, pos: from}}
	e.operands = append(e.operands, e.scan.src[from:e.scan.pos])
	if k.call != nil {
		return e.function(k, at)
	}
	if !attribute.MatchString(k.name) {
		return operand{}, at.errorf(badName)
	}
	col := e.c.data.column(k)
	if col.typ == Any {
		col.typ = Number
	}
	if !col.numeric() {
		return operand{}, at.errorf(notComputable, k)
	}
	return operand{fragment: asReal(raw(col.measure())), typ: col.typ, unit: col.unit, isRow: true}, nil
}

const notComputable = "%s is no number, and an equation computes with numbers alone"

func (e *formula) function(k key, at formula) (operand, error) {
	col, f, err := e.c.call(k.String(), k.call)
	if wrong, ok := err.(*Error); ok {
		return operand{}, at.errorf("%s", wrong.Reason)
	}
	if !col.numeric() {
		return operand{}, at.errorf(notComputable, k)
	}
	return operand{fragment: asReal(f), typ: col.typ, unit: col.unit, isAgg: true}, err
}

// asReal has SQLite compute with floating-point numbers: their division leaves
// a fraction, and that by zero is NULL.
func asReal(f fragment) fragment { return f.wrap("CAST(", " AS REAL)") }

// Operands are the functions and fields that a field is computed of: itself,
// unless it is an equation. The error is an *Error.
func Operands(datasetName, name string) ([]string, error) {
	d, err := findDataset(datasetName)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, equationPrefix) {
		return []string{name}, nil
	}
	_, operands, err := compiler{data: d}.equation(name)
	return operands, err
}
