package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Walker is a browser without a person: it keeps cookies, follows redirects,
// reads the forms on each page and presses the button that approves. It knows
// Roundhouse's page and the sandbox's, and touches no other.
type Walker struct {
	Email  string   // chosen where a page asks who signs in
	Skills []string // ticked where a page asks what is allowed; nil: as they come
	Pages  int      // that it has answered
}

// ErrUnknownPage is returned where a person is needed.
var ErrUnknownPage = errors.New("a page that only a person can answer: sign in by hand, or use --token-file")

// ErrNoUser is returned by a sandbox that does not know the e-mail.
var ErrNoUser = errors.New("the sandbox has no user")

const (
	maxPages = 8
	maxPage  = 4 << 20 // the sandbox's lists people
)

// Walk is a Browser's.
func (w *Walker) Walk(ctx context.Context, send http.RoundTripper, start, callback string) (url.Values, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: send, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback+"?") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	next, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	for range maxPages {
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(next)
		if err != nil {
			return nil, err
		}
		if target, err := resp.Location(); err == nil {
			resp.Body.Close()
			return target.Query(), nil
		}
		if next, err = w.Answer(resp); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the sign-in does not end")
}

// Answer fills in the form of a page as the user would, and returns what the
// browser sends then.
func (w *Walker) Answer(resp *http.Response) (*http.Request, error) {
	defer resp.Body.Close()
	page, err := html.Parse(http.MaxBytesReader(nil, resp.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	form := find(page, "form")
	where := resp.Request.URL.Scheme + "://" + resp.Request.URL.Host + resp.Request.URL.Path // the query holds what is pending
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %d: %s", where, resp.StatusCode, short(text(page)))
	case form == nil || !known(form):
		return nil, fmt.Errorf("%s is %w", where, ErrUnknownPage)
	}
	answers, err := w.fill(form)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	target, err := resp.Request.URL.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	if target.Host != resp.Request.URL.Host {
		return nil, fmt.Errorf("%s is %w", where, ErrUnknownPage)
	}
	next, err := http.NewRequestWithContext(resp.Request.Context(), http.MethodPost, target.String(), strings.NewReader(answers.Encode()))
	if err != nil {
		return nil, err
	}
	next.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	next.Header.Set("Origin", target.Scheme+"://"+target.Host)
	w.Pages++
	return next, nil
}

// known reports whether a form has the fields of Roundhouse's consent or of the
// sandbox's sign-in, and none that is for a secret.
func known(form *html.Node) bool {
	names := map[string]bool{}
	for node := range form.Descendants() {
		if node.Data == "input" || node.Data == "button" {
			names[attr(node, "name")] = true
			if attr(node, "type") == "password" {
				return false
			}
		}
	}
	return names["request"] && names["skill"] && names["answer"] || names["form_token"] && names["user"]
}

func (w *Walker) fill(form *html.Node) (url.Values, error) {
	values, asked, byMail := url.Values{}, false, ""
	for node := range form.Descendants() {
		name, value := attr(node, "name"), attr(node, "value")
		switch kind := attr(node, "type"); {
		case node.Data == "button" && value == "approve":
			values.Set(name, value)
		case node.Data != "input" || name == "":
		case kind == "hidden":
			values.Add(name, value)
		case kind == "email":
			byMail = name
		case kind == "radio":
			asked = true
			if slices.Contains(strings.Fields(text(node.Parent)), w.Email) {
				values.Set(name, value)
			}
		case kind == "checkbox" && (slices.Contains(w.Skills, value) || w.Skills == nil && has(node, "checked")):
			values.Add(name, value)
		}
	}
	switch chosen := values.Get("user") != ""; {
	case !asked || chosen:
	case byMail != "":
		values.Set(byMail, w.Email)
	default:
		return nil, fmt.Errorf("%w %s", ErrNoUser, w.Email)
	}
	return values, nil
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

// text is what a person reads.
func text(n *html.Node) string {
	var words []string
	for node := range n.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(words, " ")
}
