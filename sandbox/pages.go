package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// page is what every template is given.
type page struct {
	Title    string
	Nonce    string // for the style sheet
	Base     string // path of the sandbox
	Token    string // for the form
	People   []Person
	More     bool  // there are more people than these
	Chosen   int64 // the ID of one of People
	App      string
	Scopes   []string
	Code     string // of a device
	Message  string
	User     *User // who is signed in
	Keys     []keyLine
	Orgs     []orgLine
	Snippet  string // three lines that send to the empty project
	Projects []projectLine
	Issue    *issueView
	Next     string // where the form leads to
	Facts    []fact
	Rows     [][]fact
	Spans    []traceLine
	Faults   []faultLink // those of a trace that no span has
}

type (
	keyLine struct{ Org, Project, DSN string }
	orgLine struct{ Slug, Name string }
)

// Person is a user to choose, with the organizations to choose them by.
type Person struct {
	User
	Orgs string // "Acme Outdoors (owner), Globex Labs (member)"
}

// maxPeople are listed on a page; the others are chosen by their e-mail.
const maxPeople = 50

func (s *Sandbox) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.showStart)
	mux.HandleFunc("POST /login/{$}", s.signIn)
	for _, list := range []string{"", "/projects"} {
		mux.HandleFunc("GET /organizations/{org}"+list, s.showOrg)
		mux.HandleFunc("GET /organizations/{org}"+list+"/{$}", s.showOrg)
	}
	shows := map[string]http.HandlerFunc{
		"issues": s.showIssues, "issues/{issue}": s.showIssue, "issues/{issue}/events/{event}": s.showIssue, "explore/traces/trace/{trace}": s.showTrace,
	}
	for path, dataset := range searchPages {
		shows[path] = s.showSearch(dataset)
	}
	for path, h := range answerPages {
		shows[path] = s.showAnswer(h)
	}
	for path, show := range shows {
		mux.HandleFunc("GET /organizations/{org}/"+path, show)
		mux.HandleFunc("GET /organizations/{org}/"+path+"/{$}", show)
	}
	mux.HandleFunc("GET /organizations/", s.showNoPage)
}

func (s *Sandbox) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Nonce, p.Base = rand.Text(), s.basePath()
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		s.log.Error("sandbox page", slog.String("page", name), slog.Any("error", err))
		http.Error(w, "Internal Error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	// No form-action: browsers apply it to the redirect after the form too,
	// which leads to the client.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+p.Nonce+"'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// renderError tells a person what is wrong; what is not theirs goes to the log.
func (s *Sandbox) renderError(w http.ResponseWriter, r *http.Request, status int, err error) {
	message := err.Error()
	if status >= http.StatusInternalServerError {
		s.log.Error("sandbox page", slog.String("route", r.Pattern), slog.Any("error", err))
		message = "Something went wrong here. The log knows more."
	}
	s.render(w, r, status, "message.html", page{Title: "This did not work", Message: message})
}

// choose fills in the people to choose from, the signed-in one or else the
// first preselected.
func (s *Sandbox) choose(w http.ResponseWriter, r *http.Request, p page) (page, error) {
	people, err := s.People(r.Context(), maxPeople+1)
	if err != nil {
		return p, err
	}
	if len(people) == 0 {
		return p, errors.New("the sandbox has no users")
	}
	p.Chosen, p.Token, p.More = people[0].ID, s.formToken(w, r), len(people) > maxPeople
	p.People = people[:min(len(people), maxPeople)]
	if u, ok, err := s.signedIn(r); err != nil {
		return p, err
	} else if ok {
		p.Chosen = u.ID
	}
	return p, nil
}

// People lists the first users, with what they belong to.
func (s *Sandbox) People(ctx context.Context, limit int) ([]Person, error) {
	scan := func(rows *sql.Rows) (p Person, err error) { return p, rows.Scan(append(p.fields(), &p.Orgs)...) }
	return collect(ctx, s.read(), scan, "SELECT "+userColumns+`, (
			SELECT coalesce(group_concat(o.name || ' (' || m.role || iif(m.role = 'guest', ' of ' || coalesce((
				SELECT group_concat(p.name, ' and ' ORDER BY p.name) FROM access a JOIN project p ON p.id = a.project WHERE a.user = m.user AND a.org = m.org), 'nothing'), '') || ')',
				', ' ORDER BY o.name), 'no organization')
			FROM member m JOIN org o ON o.id = m.org WHERE m.user = user.id)
		FROM user ORDER BY id LIMIT ?`, limit)
}

func (s *Sandbox) showConsent(w http.ResponseWriter, r *http.Request) {
	a, err := s.authorization(r)
	if s.refused(w, r, a, err) {
		return
	}
	p, err := s.choose(w, r, page{Title: "Sign in to the sandbox", App: a.app.name, Scopes: a.scopes})
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	s.render(w, r, http.StatusOK, "consent.html", p)
}

// refused answers a bad request for a code: to the client where the redirect
// URI is known to be its own, else to the person alone.
func (s *Sandbox) refused(w http.ResponseWriter, r *http.Request, a authorization, err error) bool {
	var oe *oauthError
	switch {
	case err == nil:
		return false
	case errors.As(err, &oe):
		http.Redirect(w, r, a.back(map[string]string{"error": oe.code, "error_description": oe.description}), http.StatusFound)
	default:
		s.renderError(w, r, http.StatusBadRequest, err)
	}
	return true
}

func (s *Sandbox) takeConsent(w http.ResponseWriter, r *http.Request) {
	if err := s.checkForm(w, r); err != nil {
		s.renderError(w, r, http.StatusForbidden, err)
		return
	}
	a, err := s.authorization(r)
	if s.refused(w, r, a, err) {
		return
	}
	switch r.PostForm.Get("op") {
	case "deny":
		http.Redirect(w, r, a.back(map[string]string{"error": "access_denied"}), http.StatusFound)
	case "approve":
		s.approve(w, r, a)
	default:
		s.renderError(w, r, http.StatusBadRequest, errors.New("op must be approve or deny"))
	}
}

func (s *Sandbox) approve(w http.ResponseWriter, r *http.Request, a authorization) {
	u, ok := s.signInChosen(w, r)
	if !ok {
		return
	}
	code, err := s.newCode(r.Context(), a, u.ID)
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	http.Redirect(w, r, a.back(map[string]string{"code": code}), http.StatusFound)
}

// showStart lists the keys of the projects that the signed-in user sees.
func (s *Sandbox) showStart(w http.ResponseWriter, r *http.Request) {
	p, err := s.choose(w, r, page{Title: "Sandbox"})
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	u, ok, err := s.signedIn(r)
	if err == nil && ok {
		p.User = &u
		err = s.fillStart(r, u, &p)
	}
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	s.render(w, r, http.StatusOK, "start.html", p)
}

func (s *Sandbox) fillStart(r *http.Request, u User, p *page) (err error) {
	if p.Keys, err = s.keysOf(r, u); err != nil {
		return err
	}
	for _, k := range p.Keys {
		if k.Org == "acme-outdoors" && k.Project == "my-app" {
			p.Snippet = Snippet("python", k.DSN)
		}
	}
	p.Orgs, err = collect(r.Context(), s.read(), func(rows *sql.Rows) (o orgLine, err error) { return o, rows.Scan(&o.Slug, &o.Name) },
		"SELECT o.slug, o.name FROM org o JOIN member m ON m.org = o.id WHERE m.user = ? ORDER BY o.name LIMIT ?", u.ID, maxListed)
	return err
}

func (s *Sandbox) keysOf(r *http.Request, u User) ([]keyLine, error) {
	scan := func(rows *sql.Rows) (k keyLine, err error) {
		var public string
		var id int64
		err = rows.Scan(&k.Org, &k.Project, &public, &id)
		k.DSN = s.dsn(public, id)
		return k, err
	}
	return collect(r.Context(), s.read(), scan, `SELECT o.slug, p.slug, d.public, p.id
		FROM access a JOIN project p ON p.id = a.project JOIN org o ON o.id = a.org JOIN dsn d ON d.project = p.id
		WHERE a.user = ? AND d.active ORDER BY o.slug, p.slug LIMIT 200`, u.ID)
}

func (s *Sandbox) signIn(w http.ResponseWriter, r *http.Request) {
	if err := s.checkForm(w, r); err != nil {
		s.renderError(w, r, http.StatusForbidden, err)
		return
	}
	if _, ok := s.signInChosen(w, r); !ok {
		return
	}
	http.Redirect(w, r, s.basePath()+localPage(r.PostForm.Get("next")), http.StatusSeeOther)
}

// signInChosen signs in whom the form names; where it cannot, it has answered.
func (s *Sandbox) signInChosen(w http.ResponseWriter, r *http.Request) (u User, ok bool) {
	u, err := s.chosenUser(r)
	if err != nil {
		s.renderError(w, r, http.StatusBadRequest, errForged)
		return u, false
	}
	if err := s.startSession(w, r, u); err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return u, false
	}
	return u, true
}

// askSignIn lets a visitor sign in and leads on to the page they came for.
func (s *Sandbox) askSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := s.choose(w, r, page{Title: "Sign in first", Message: "Members of the organization see this page.", Next: r.URL.RequestURI()})
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	s.render(w, r, http.StatusUnauthorized, "signin.html", p)
}

// localPage is where a sign-in leads to: a page of an organization, or else the
// start page. Whatever names another host is not followed: somebody could have
// sent the link so that the visitor ends on a page of theirs.
func localPage(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/organizations/") ||
		strings.ContainsRune(next, '\\') || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return "/"
	}
	return u.RequestURI()
}

// showMember is where the links that tools print lead to: the page of an issue
// or a trace, for members of its organization.
func (s *Sandbox) showMember(w http.ResponseWriter, hr *http.Request, thing string, find func(*request) (page, error)) {
	u, ok, err := s.signedIn(hr)
	if err != nil {
		s.renderError(w, hr, http.StatusInternalServerError, err)
		return
	}
	if !ok {
		s.askSignIn(w, hr)
		return
	}
	r := &request{Request: hr, sb: s, user: u, header: w.Header()}
	var p page
	if err = r.resolve(); err == nil {
		p, err = find(r)
	}
	var ae *apiError
	switch {
	case errors.As(err, &ae):
		s.renderError(w, hr, http.StatusNotFound, fmt.Errorf("there is no such %s, or you may not see it", thing))
	case err != nil:
		s.renderError(w, hr, http.StatusInternalServerError, err)
	default:
		s.render(w, hr, http.StatusOK, thing+".html", p)
	}
}

// pageLink is the path of an organization's page; "" where an element is empty.
func (r *request) pageLink(elements ...string) string {
	link := r.sb.basePath() + "/organizations/" + url.PathEscape(r.org.slug) + "/"
	for _, e := range elements {
		if e == "" || e == "." || e == ".." {
			return ""
		}
		link += url.PathEscape(e) + "/"
	}
	return link
}

// showNoPage answers a link that would lead to one of Sentry's other pages. It
// knows nothing of what the link names, so it says the same to everybody.
func (s *Sandbox) showNoPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusNotFound, "message.html",
		page{Title: "No page for this", Message: "The sandbox has no page for this; it is made for the API."})
}
