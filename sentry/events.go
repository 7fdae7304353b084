package sentry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// EventSearch selects rows of a dataset of an organization.
type EventSearch struct {
	Dataset      string   // errors, spans, logs, tracemetrics, profiles
	Query        string   // Sentry's search syntax
	Fields       []string // columns; with an aggregate among them, rows are grouped by the others
	Sort         string   // one of Fields, with "-" for descending
	ProjectID    string   // numeric; "": every project of the caller
	Environments []string
	Period       string // such as 24h or 14d
	Start, End   string // RFC 3339; instead of Period
	Cursor       string
	Limit        int // at most 100; zero: Sentry's default
}

func (s EventSearch) values(sortKey string) url.Values {
	q := url.Values{"dataset": {s.Dataset}, "field": s.Fields, "query": {s.Query}}
	if len(s.Environments) > 0 {
		q["environment"] = s.Environments
	}
	setNonEmpty(q, sortKey, s.Sort)
	setNonEmpty(q, "project", s.ProjectID)
	setNonEmpty(q, "statsPeriod", s.Period)
	setNonEmpty(q, "start", s.Start)
	setNonEmpty(q, "end", s.End)
	return q
}

// EventRows is the answer to an EventSearch.
type EventRows struct {
	Rows List[map[string]any] `json:"data"` // by field; numbers are json.Number
	Meta struct {
		Fields map[string]Text `json:"fields"` // type of each field
		Units  map[string]Text `json:"units"`
	} `json:"meta"`
}

// Events runs a search over a dataset.
func (c *Client) Events(ctx context.Context, org string, s EventSearch) (*EventRows, Page, error) {
	q := s.values("sort")
	setNonEmpty(q, "cursor", s.Cursor)
	setLimit(q, "per_page", s.Limit)
	q.Set("referrer", "api.roundhouse.search-events")
	if s.Dataset == "spans" {
		q.Set("sampling", "NORMAL")
	}
	var rows EventRows
	page, err := c.call(ctx, request{
		op:    "search events",
		path:  []string{"organizations", org, "events"},
		query: q,
	}, &rows)
	if err != nil {
		return nil, Page{}, err
	}
	return &rows, page, nil
}

// Validation is Sentry's opinion of an EventSearch.
type Validation struct {
	Valid   Bool              `json:"valid"`
	Dataset List[CheckedPart] `json:"dataset"`
	Fields  List[CheckedPart] `json:"field"`
	OrderBy List[CheckedPart] `json:"orderby"`
	Detail  Text              `json:"detail"` // when Sentry refused to validate at all
	Query   struct {
		Valid  Bool              `json:"valid"`
		Error  Text              `json:"error"`
		Fields List[CheckedPart] `json:"fields"`
	} `json:"query"`
}

// CheckedPart is one part of a search and what is wrong with it.
type CheckedPart struct {
	Name  Text `json:"name"`
	Valid Bool `json:"valid"`
	Type  Text `json:"attrType"`
	Error Text `json:"error"`
}

// ErrNoValidator says that this Sentry is older than its endpoint for
// validating searches. The search itself may still be run.
var ErrNoValidator = errors.New("this Sentry does not validate searches")

// ValidateEvents checks a search without running it. The error is
// ErrNoValidator where Sentry has no such endpoint.
func (c *Client) ValidateEvents(ctx context.Context, org string, s EventSearch) (*Validation, error) {
	var v Validation
	_, err := c.call(ctx, request{
		op:     "validate search",
		path:   []string{"organizations", org, "events", "validate"},
		query:  s.values("orderby"),
		accept: http.StatusBadRequest, // the same body as 200, with valid: false
	}, &v)
	var e *Error
	if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		return nil, ErrNoValidator
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}
