package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a file. Scenarios are a page long.
const maxFile = 64 << 10

// Error says where a file is wrong, and what would do.
type Error struct {
	File         string
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Parse reads a file, whose name is for errors and for the scenario's own name.
// What it refuses is an *Error.
func Parse(file string, data []byte) (s Scenario, err error) {
	// The parser has panicked at hostile input in some of its versions.
	defer func() {
		if r := recover(); r != nil {
			s, err = Scenario{}, &Error{file, 1, 1, "this is not YAML"}
		}
	}()
	doc, err := read(file, data)
	if err != nil {
		return Scenario{}, err
	}
	s = defaults()
	d := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := d.DecodeFromNode(doc.root, &s); err != nil {
		return Scenario{}, doc.syntax(err)
	}
	if err := s.fill(file, doc); err != nil {
		return Scenario{}, doc.at(err)
	}
	return s, nil
}

// document is a file whose shape is right.
type document struct {
	file  string
	root  ast.Node
	where map[string]*token.Position // by path, such as $.arrivals.rate
}

func read(file string, data []byte) (document, error) {
	d := document{file: file, where: map[string]*token.Position{}}
	if len(data) > maxFile {
		return d, &Error{file, 1, 1, fmt.Sprintf("the file has more than %d KiB", maxFile>>10)}
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return d, d.syntax(err)
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return d, &Error{file, 1, 1, "the file says nothing; a scenario needs arrivals at least, such as arrivals: {rate: 100}"}
	}
	if len(f.Docs) > 1 && f.Docs[1].Body != nil {
		return d, d.refuse(f.Docs[1].Body, "a second document begins here; a file is one scenario")
	}
	d.root = f.Docs[0].Body
	return d, d.check(d.root, scenarioType, "")
}

// syntax turns an error of the YAML library into one of ours.
func (d document) syntax(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p := at.GetToken().Position
		return &Error{d.file, p.Line, p.Column, at.GetMessage()}
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return &Error{d.file, 1, 1, text}
}

// at gives a problem the place of its path, or of the nearest one around it.
func (d document) at(err error) error {
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	for path := p.path; ; {
		if pos := d.where[path]; pos != nil {
			return &Error{d.file, pos.Line, pos.Column, p.Error()}
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return &Error{d.file, 1, 1, p.Error()}
		}
		path = path[:i]
	}
}

// has tells whether the file gives the path itself.
func (d document) has(path string) bool { return d.where[path] != nil }

// UnmarshalYAML reads what check has found to be a duration.
func (d *Duration) UnmarshalYAML(node ast.Node) (err error) {
	d.Duration, err = time.ParseDuration(node.GetToken().Value)
	return err
}

// MarshalText writes it as Parse reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func defaults() Scenario {
	return Scenario{
		Users: 1, Place: AtProject, Order: Random, Era: Modern, Handles: 0.02,
		Warmup: Duration{2 * time.Second}, Duration: Duration{10 * time.Second}, Timeout: Duration{30 * time.Second},
	}
}

// fill puts in the defaults that depend on the rest, and checks everything.
func (s *Scenario) fill(file string, d document) error {
	if !d.has("name") {
		s.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	if !d.has("contexts") {
		s.Contexts = s.Users
	}
	if len(s.Calls) == 0 {
		s.Calls = []Call{{Tool: "whoami", Weight: 1}}
	}
	for i := range s.Calls {
		if !d.has(fmt.Sprintf("calls[%d].weight", i)) {
			s.Calls[i].Weight = 1
		}
	}
	if s.Storm != nil && !d.has("storm.share") {
		s.Storm.Share = 1
	}
	if a := s.Arrivals.Search; a != nil && !d.has("arrivals.search.step") {
		a.Step.Duration = 5 * time.Second
	}
	if err := s.fillDuration(d); err != nil {
		return err
	}
	s.Sandbox = s.Sandbox.enoughFor(*s)
	return s.Check()
}

// fillDuration: steps say how long they are, and a search ends by itself.
func (s *Scenario) fillDuration(d document) error {
	given := d.has("duration")
	switch {
	case s.Arrivals.Search != nil && given:
		return &problem{"duration", "a search ends by itself; leave the duration out"}
	case s.Arrivals.Search != nil:
		s.Duration.Duration = 0
	case len(s.Arrivals.Steps) > 0:
		var sum time.Duration
		for _, step := range s.Arrivals.Steps {
			sum += min(step.For.Duration, maxDuration+1)
		}
		if given && s.Duration.Duration != sum {
			return &problem{"duration", fmt.Sprintf("the steps take %s; leave the duration out", sum)}
		}
		s.Duration.Duration = sum
	}
	return nil
}
