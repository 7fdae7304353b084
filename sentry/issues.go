package sentry

import (
	"context"
	"net/http"
	"net/url"
)

// Issue is a group of events.
type Issue struct {
	ID            ID            `json:"id"`
	ShortID       Text          `json:"shortId"`
	Title         Text          `json:"title"`
	Culprit       Text          `json:"culprit"`
	Permalink     Text          `json:"permalink"`
	Level         Text          `json:"level"`
	Status        Text          `json:"status"`
	Substatus     Text          `json:"substatus"`
	StatusDetails StatusDetails `json:"statusDetails"`
	Type          Text          `json:"issueType"`
	Category      Text          `json:"issueCategory"`
	Priority      Text          `json:"priority"`
	Platform      Text          `json:"platform"`
	FirstSeen     Time          `json:"firstSeen"`
	LastSeen      Time          `json:"lastSeen"`
	FirstRelease  *Release      `json:"firstRelease"` // nil: its events name no release, or this answer does not say
	Count         Count         `json:"count"`
	UserCount     Count         `json:"userCount"`
	Project       Project       `json:"project"`
	AssignedTo    *Assignee     `json:"assignedTo"` // nil: nobody
}

// Assignee is the user or team that an issue is assigned to.
type Assignee struct {
	Type  Text `json:"type"` // "user" or "team"
	ID    ID   `json:"id"`
	Name  Text `json:"name"`
	Email Text `json:"email"`
}

// StatusDetails qualify a status. All are zero for a plain one.
type StatusDetails struct {
	InNextRelease    Bool  `json:"inNextRelease"`
	IgnoreUntil      Time  `json:"ignoreUntil"`
	IgnoreCount      Count `json:"ignoreCount"`
	IgnoreWindow     Count `json:"ignoreWindow"` // minutes
	IgnoreUserCount  Count `json:"ignoreUserCount"`
	IgnoreUserWindow Count `json:"ignoreUserWindow"` // minutes
}

// IssueSearch selects issues of an organization.
type IssueSearch struct {
	Query     string // Sentry's search syntax; sent even when empty, which finds every status
	Sort      string // date, new, freq, user, recommended; "": Sentry's default
	Period    string // such as 24h or 14d; "": Sentry's default
	ProjectID string // numeric; "": every project of the caller
	Cursor    string
	Limit     int // at most 100; zero: Sentry's default
}

// Issues searches the issues of an organization.
func (c *Client) Issues(ctx context.Context, org string, s IssueSearch) ([]Issue, Page, error) {
	q := url.Values{"query": {s.Query}}
	setNonEmpty(q, "sort", s.Sort)
	setNonEmpty(q, "statsPeriod", s.Period)
	setNonEmpty(q, "project", s.ProjectID)
	setNonEmpty(q, "cursor", s.Cursor)
	setLimit(q, "limit", s.Limit)
	var list []Issue
	page, err := c.call(ctx, request{
		op:    "search issues",
		path:  []string{"organizations", org, "issues"},
		query: q,
	}, &list)
	return list, page, err
}

// Issue returns one issue by its short id or number.
func (c *Client) Issue(ctx context.Context, org, id string) (*Issue, error) {
	var issue Issue
	_, err := c.call(ctx, request{op: "get issue", path: issuePath(org, id)}, &issue)
	if err != nil {
		return nil, err
	}
	return &issue, nil
}

// IssueUpdate is what to change; zero fields stay as they are.
type IssueUpdate struct {
	Status           string  `json:"status,omitempty"`    // resolved, resolvedInNextRelease, unresolved, ignored
	Substatus        string  `json:"substatus,omitempty"` // archived_…
	AssignedTo       *string `json:"assignedTo,omitempty"`
	IgnoreDuration   int     `json:"ignoreDuration,omitempty"` // minutes
	IgnoreCount      int     `json:"ignoreCount,omitempty"`
	IgnoreWindow     int     `json:"ignoreWindow,omitempty"` // minutes
	IgnoreUserCount  int     `json:"ignoreUserCount,omitempty"`
	IgnoreUserWindow int     `json:"ignoreUserWindow,omitempty"` // minutes
}

// UpdateIssue changes an issue and returns it as Sentry then has it.
func (c *Client) UpdateIssue(ctx context.Context, org, id string, change IssueUpdate) (*Issue, error) {
	var issue Issue
	_, err := c.call(ctx, request{
		op:     "update issue",
		method: http.MethodPut,
		path:   issuePath(org, id),
		body:   change,
	}, &issue)
	if err != nil {
		return nil, err
	}
	return &issue, nil
}

// CreateNote adds a comment to an issue.
func (c *Client) CreateNote(ctx context.Context, org, id, text string) error {
	_, err := c.call(ctx, request{
		op:     "add note",
		method: http.MethodPost,
		path:   append(issuePath(org, id), "notes"),
		body:   map[string]string{"text": text},
	}, nil)
	return err
}

func issuePath(org, id string) []string {
	return []string{"organizations", org, "issues", id}
}
