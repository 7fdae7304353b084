package sentry

import (
	"errors"
	"net/url"
	"strings"
)

// onSaaS reports whether the web pages of an organization are on a subdomain
// of its own.
func (c *Client) onSaaS() bool {
	return c.base.Host == "sentry.io" || strings.HasSuffix(c.base.Host, ".sentry.io")
}

// web returns the address of an organization's page.
func (c *Client) web(org string, query url.Values, elements ...string) string {
	u := *c.base
	if c.onSaaS() {
		u = url.URL{Scheme: "https", Host: strings.ToLower(org) + ".sentry.io"}
	} else {
		elements = append([]string{"organizations", org}, elements...)
	}
	var b strings.Builder
	b.WriteString(u.String())
	for _, e := range elements {
		b.WriteString("/" + url.PathEscape(e))
	}
	b.WriteString("/")
	if len(query) > 0 {
		b.WriteString("?" + query.Encode())
	}
	return b.String()
}

// OrganizationURL is the web page of an organization.
func (c *Client) OrganizationURL(org string) string { return c.web(org, nil, "issues") }

// IssueURL is the web page of an issue, by its short id or number.
func (c *Client) IssueURL(org, issue string) string { return c.web(org, nil, "issues", issue) }

// EventURL is the web page of one event of an issue.
func (c *Client) EventURL(org, issue, event string) string {
	return c.web(org, nil, "issues", issue, "events", event)
}

// TraceURL is the web page of a trace.
func (c *Client) TraceURL(org, trace string) string {
	return c.web(org, nil, "explore", "traces", "trace", trace)
}

// IssuesURL is the web page that lists what s finds.
func (c *Client) IssuesURL(org string, s IssueSearch) string {
	q := url.Values{"query": {s.Query}}
	setNonEmpty(q, "sort", s.Sort)
	setNonEmpty(q, "statsPeriod", s.Period)
	setNonEmpty(q, "project", s.ProjectID)
	return c.web(org, q, "issues")
}

// EventsURL is the web page that explores what s finds.
func (c *Client) EventsURL(org string, s EventSearch) string {
	q := url.Values{"query": {s.Query}, "field": s.Fields}
	setNonEmpty(q, "sort", s.Sort)
	setNonEmpty(q, "statsPeriod", s.Period)
	setNonEmpty(q, "project", s.ProjectID)
	switch s.Dataset {
	case "spans":
		return c.web(org, q, "explore", "traces")
	case "logs":
		return c.web(org, q, "explore", "logs")
	}
	return c.web(org, q, "explore", "discover", "homepage")
}

// Resource is what a Sentry URL points at.
type Resource struct {
	Org   string // slug or id as in the URL; "": the URL names none
	Type  string // issue, event, trace, replay, monitor, release, project, …; the URL's own word
	ID    string
	Event string // with Type "event": the event of issue ID
}

var (
	// ErrForeignURL says that a URL is not of the Sentry that the Client calls.
	ErrForeignURL = errors.New("not a URL of this Sentry")
	// ErrUnknownURL says that a URL is of this Sentry, but of nothing with an id.
	ErrUnknownURL = errors.New("a Sentry URL of unknown form")
)

// ParseURL is the inverse of the URL methods; it also understands API URLs.
// The host must be the Client's own, or on sentry.io a subdomain; the scheme
// is not compared, since people copy links through proxies. What it returns is
// what the URL says, unescaped; whoever asks for it checks it.
func (c *Client) ParseURL(raw string) (Resource, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return Resource{}, ErrUnknownURL
	}
	org, err := c.hostOrg(strings.ToLower(u.Host))
	if err != nil {
		return Resource{}, err
	}
	path, ok := strings.CutPrefix(u.EscapedPath()+"/", c.base.EscapedPath()+"/")
	if !ok {
		return Resource{}, ErrForeignURL
	}
	parts, err := pathElements(strings.TrimPrefix(path, "api/0/"))
	if err != nil {
		return Resource{}, ErrUnknownURL
	}
	if len(parts) >= 2 && parts[0] == "organizations" {
		org, parts = parts[1], parts[2:]
	} else if len(parts) >= 2 && org == "" && resourceWords[parts[1]] && !resourceWords[parts[0]] {
		org, parts = parts[0], parts[1:]
	}
	r, err := parseResource(parts)
	r.Org = org
	return r, err
}

// hostOrg checks a URL's host and returns the organization that it names: on
// sentry.io each has its own subdomain.
func (c *Client) hostOrg(host string) (string, error) {
	if host == c.base.Host {
		return "", nil
	}
	label, ok := strings.CutSuffix(host, ".sentry.io")
	if !c.onSaaS() || !ok && host != "sentry.io" {
		return "", ErrForeignURL
	}
	switch {
	case !ok, label == "us", label == "de", label == "www", label == "api":
		return "", nil
	case strings.Contains(label, "."):
		return "", ErrForeignURL
	}
	return label, nil
}

// pathElements splits an escaped path. Its elements are not yet fit for a
// request: a release's version, for one, may hold a slash.
func pathElements(path string) ([]string, error) {
	var parts []string
	for escaped := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		part, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, err
		}
		if err := checkPart(part); err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// resourceWords are the first elements of the paths below an organization.
var resourceWords = map[string]bool{
	"issues": true, "explore": true, "performance": true, "replays": true, "crons": true, "monitors": true,
	"releases": true, "preprod": true, "projects": true, "traces": true, "trace": true, "dashboard": true,
	"alerts": true, "feedback": true, "profiling": true,
}

func parseResource(parts []string) (Resource, error) {
	word := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	first := word(0)
	if first == "explore" || first == "performance" {
		parts = parts[1:]
		first = word(0)
	}
	switch {
	case first == "issues" && word(1) != "" && word(2) == "events" && word(3) != "":
		return Resource{Type: "event", ID: word(1), Event: word(3)}, nil
	case first == "issues" && word(1) != "":
		return Resource{Type: "issue", ID: word(1)}, nil
	case first == "traces" && word(1) == "trace" && word(2) != "":
		return Resource{Type: "trace", ID: word(2)}, nil
	case first == "trace" && word(1) != "":
		return Resource{Type: "trace", ID: word(1)}, nil
	case first == "crons" && word(1) != "":
		return Resource{Type: "monitor", ID: parts[len(parts)-1]}, nil
	case first == "preprod" && word(1) == "snapshots" && word(2) != "":
		return Resource{Type: "snapshot", ID: word(2)}, nil
	case resourceWords[first] && word(1) != "":
		return Resource{Type: strings.TrimSuffix(first, "s"), ID: word(1)}, nil
	}
	return Resource{}, ErrUnknownURL
}
