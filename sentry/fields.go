package sentry

import (
	"context"
	"net/url"
)

// Field is something that a search can name.
type Field struct {
	Key  string // as a search writes it
	Type string // string, number, boolean; "" where Sentry does not say
}

// FieldSearch selects fields of an organization's events.
type FieldSearch struct {
	Dataset   string // Tags: errors; TraceItemAttributes: spans, logs, tracemetrics
	Contains  string // TraceItemAttributes only: part of the name
	ProjectID string // numeric; "": every project of the caller
	Period    string
}

func (s FieldSearch) values(datasetKey string) url.Values {
	q := url.Values{datasetKey: {s.Dataset}}
	setNonEmpty(q, "substringMatch", s.Contains)
	setNonEmpty(q, "project", s.ProjectID)
	setNonEmpty(q, "statsPeriod", s.Period)
	return q
}

// Tags lists the tags that an organization's errors have.
func (c *Client) Tags(ctx context.Context, org string, s FieldSearch) ([]Field, error) {
	s.Contains = ""
	q := s.values("dataset")
	q.Set("useCache", "1")
	list, err := c.fields(ctx, request{op: "list tags", path: []string{"organizations", org, "tags"}, query: q})
	return named(list, func(f field) Text { return firstText(f.Key, f.Name) }), err
}

// TraceItemAttributes lists the attributes that spans, logs or metrics have.
// Older servers have no such endpoint: the error is then ErrNotFound.
func (c *Client) TraceItemAttributes(ctx context.Context, org string, s FieldSearch) ([]Field, error) {
	list, err := c.fields(ctx, request{
		op:    "list attributes",
		path:  []string{"organizations", org, "trace-items", "attributes"},
		query: s.values("itemType"),
	})
	return named(list, func(f field) Text { return firstText(f.Name, f.Key) }), err
}

// field is what both endpoints answer, but they mean opposite things: a tag is
// searched by its key and has a label for a name (server_name, Server Name); an
// attribute is searched by its name and has a typed form for a key (step,
// tags[step,number]).
type field struct {
	Key  Text `json:"key"`
	Name Text `json:"name"`
	Type Text `json:"attributeType"`
}

func (c *Client) fields(ctx context.Context, r request) ([]field, error) {
	var list []field
	_, err := c.call(ctx, r, &list)
	return list, err
}

func named(list []field, name func(field) Text) []Field {
	found := make([]Field, 0, len(list))
	for _, f := range list {
		if key := name(f); key != "" {
			found = append(found, Field{Key: string(key), Type: string(f.Type)})
		}
	}
	return found
}
