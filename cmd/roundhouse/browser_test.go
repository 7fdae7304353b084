package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// callback is where the clients of these tests receive their codes. Nothing
// listens there: the browser stops before it follows.
const callback = "http://127.0.0.1:33418/callback"

// browser walks the sign-in as a person would: it keeps cookies, follows
// redirects, reads the forms on each page and presses the button that approves.
type browser struct {
	t      testing.TB
	client *http.Client
	email  string   // chosen where a page asks who signs in
	skills []string // ticked where a page asks what is allowed; nil: as they come
	pages  int      // forms sent
}

func newBrowser(t testing.TB, email string, skills ...string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, email: email, skills: skills, client: &http.Client{
		Jar: jar,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), callback) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// walk begins at start and returns the query that arrives at the callback.
func (b *browser) walk(start string) url.Values {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, start, nil)
	for range 8 {
		if err != nil {
			b.t.Fatal(err)
		}
		var done url.Values
		r, done, err = b.visit(r)
		if done != nil {
			return done
		}
	}
	b.t.Fatal("the sign-in does not end")
	return nil
}

// visit sends one request and returns the next: the page's form, filled in.
func (b *browser) visit(r *http.Request) (next *http.Request, done url.Values, err error) {
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if target, err := resp.Location(); err == nil {
		return nil, target.Query(), nil
	}
	page, err := html.Parse(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answered %d: %s", resp.Request.URL.Path, resp.StatusCode, text(page))
	}
	form := find(page, "form")
	if form == nil {
		return nil, nil, errors.New("no form on the page: " + text(page))
	}
	target, err := resp.Request.URL.Parse(attr(form, "action"))
	if err != nil {
		return nil, nil, err
	}
	b.pages++
	next, err = http.NewRequestWithContext(r.Context(), http.MethodPost, target.String(), strings.NewReader(b.fill(form).Encode()))
	if err != nil {
		return nil, nil, err
	}
	next.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	next.Header.Set("Origin", target.Scheme+"://"+target.Host)
	return next, nil, nil
}

func (b *browser) fill(form *html.Node) url.Values {
	values := url.Values{}
	for node := range form.Descendants() {
		name, value := attr(node, "name"), attr(node, "value")
		switch {
		case node.Data == "button" && value == "approve":
			values.Set(name, value)
		case node.Data != "input" || name == "":
		case attr(node, "type") == "hidden":
			values.Add(name, value)
		case attr(node, "type") == "radio" && strings.Contains(text(node.Parent), b.email):
			values.Set(name, value)
		case attr(node, "type") == "checkbox" && (slices.Contains(b.skills, value) || b.skills == nil && has(node, "checked")):
			values.Add(name, value)
		}
	}
	return values
}

func find(n *html.Node, element string) *html.Node {
	for node := range n.Descendants() {
		if node.Type == html.ElementNode && node.Data == element {
			return node
		}
	}
	return nil
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var words []string
	for node := range n.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(words, " ")
}
