package query

import (
	"strings"
	"unicode/utf8"
)

const (
	maxLength = 4096 // bytes
	maxDepth  = 32   // of parentheses and NOTs within each other
	maxTerms  = 100  // each value of a list counts
)

type nodeKind int

const (
	nodeTerm nodeKind = iota
	nodeAnd
	nodeOr
	nodeNot
)

// A node is a term, or a combination of kids. An AND without kids is the empty
// query, which matches everything.
type node struct {
	kind nodeKind
	term *term
	kids []node
}

// terms yields every term of the tree, left to right.
func (n node) terms(yield func(*term) bool) bool {
	if n.term != nil {
		return yield(n.term)
	}
	for _, kid := range n.kids {
		if !kid.terms(yield) {
			return false
		}
	}
	return true
}

type parser struct {
	scan  scanner
	tok   token
	depth int
	count int
}

func parse(src string) (node, error) {
	if len(src) > maxLength {
		return node{}, &Error{Pos: maxLength, Reason: "the query is longer than 4096 bytes"}
	}
	if i := strings.IndexFunc(src, unprintable); i >= 0 {
		return node{}, spanOf(src, i, i).errorf("the query is not plain text here")
	}
	p := &parser{scan: scanner{src: src}}
	if err := p.advance(); err != nil {
		return node{}, err
	}
	if p.tok.kind == tokenEnd {
		return node{kind: nodeAnd}, nil
	}
	n, err := p.or()
	if err == nil && p.tok.kind != tokenEnd {
		err = p.tok.errorf("this closing parenthesis has no opening one")
	}
	return n, err
}

func unprintable(r rune) bool { return r == 0 || r == utf8.RuneError }

func (p *parser) advance() (err error) {
	p.tok, err = p.scan.next()
	return err
}

func (p *parser) or() (node, error) {
	n := node{kind: nodeOr}
	for {
		kid, err := p.and()
		if err != nil {
			return node{}, err
		}
		n.kids = append(n.kids, kid)
		if p.tok.kind != tokenOr {
			return n.simple(), nil
		}
		if err := p.advance(); err != nil {
			return node{}, err
		}
	}
}

func (p *parser) and() (node, error) {
	n := node{kind: nodeAnd}
	for {
		kid, err := p.factor()
		if err != nil {
			return node{}, err
		}
		n.kids = append(n.kids, kid)
		switch p.tok.kind {
		case tokenEnd, tokenClose, tokenOr:
			return n.simple(), nil
		case tokenAnd:
			if err := p.advance(); err != nil {
				return node{}, err
			}
		}
	}
}

// simple drops a combination of one.
func (n node) simple() node {
	if len(n.kids) == 1 {
		return n.kids[0]
	}
	return n
}

func (p *parser) factor() (node, error) {
	tok := p.tok
	switch tok.kind {
	case tokenNot:
		return p.not()
	case tokenOpen:
		return p.group()
	case tokenTerm:
		return p.leaf(tok.term)
	case tokenText:
		return p.leaf(&term{span: tok.span, op: "=", values: []value{value(tok.text)}})
	case tokenWord:
		return p.words()
	}
	return node{}, tok.errorf("a search term is missing here; quote AND, OR, NOT and parentheses that are meant as text")
}

func (p *parser) not() (node, error) {
	err := p.enter()
	if err != nil {
		return node{}, err
	}
	kid, err := p.factor()
	p.depth--
	return node{kind: nodeNot, kids: []node{kid}}, err
}

func (p *parser) group() (node, error) {
	open := p.tok
	err := p.enter()
	if err != nil {
		return node{}, err
	}
	n, err := p.or()
	if err != nil {
		return node{}, err
	}
	p.depth--
	if p.tok.kind != tokenClose {
		return node{}, open.errorf("this parenthesis is never closed")
	}
	return n, p.advance()
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.tok.errorf("more than %d parentheses and NOTs within each other", maxDepth)
	}
	return p.advance()
}

func (p *parser) leaf(t *term) (node, error) {
	if p.count += len(t.values); p.count > maxTerms {
		return node{}, t.errorf("more than %d terms and list values", maxTerms)
	}
	return node{term: t}, p.advance()
}

// words joins adjacent bare words: they are looked for as one phrase.
func (p *parser) words() (node, error) {
	first := p.tok.span
	text := []string{p.tok.text}
	for {
		if err := p.advance(); err != nil {
			return node{}, err
		}
		if p.tok.kind != tokenWord {
			break
		}
		text = append(text, p.tok.text)
	}
	if p.count++; p.count > maxTerms {
		return node{}, first.errorf("more than %d terms and list values", maxTerms)
	}
	phrase := strings.Join(text, " ")
	first.near = phrase
	return node{term: &term{span: first, op: "=", values: []value{value(phrase)}}}, nil
}
