package oauth

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

//go:embed templates/style.css
var style string

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// pagePolicy allows our style and nothing else. It leaves form-action out on
// purpose: browsers apply that to every redirect that follows the form, and
// ours leads through the upstream to whatever the client registered.
var pagePolicy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '" + styleHash() + "'"

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page answers a person.
func (s *Server) page(w http.ResponseWriter, status int, name string, data any) {
	var buf bytes.Buffer
	if err := templates.ExecuteTemplate(&buf, name, data); err != nil {
		s.log.Error("page failed", "page", name, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	buf.WriteTo(w) // the browser is gone if it fails
}

// errorPage answers where no redirect may: what happened, and what to do.
func (s *Server) errorPage(w http.ResponseWriter, status int, happened, advice string) {
	s.page(w, status, "error.html", errorPage{Style: template.CSS(style), Happened: happened, Advice: advice})
}

// ownForms lets through what our own pages send. A form of another site could
// otherwise fill in a device's code for the user, who would not see the page that
// warns of codes from others. Browsers that do not say where a form stood are
// let through: what matters most has a secret of its own.
func (s *Server) ownForms(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			s.recordNoise(r.Context(), Event{Kind: EventRefusal, Outcome: codeAccessDenied, Detail: r.URL.Path + ": a form of another site"})
			s.errorPage(w, http.StatusForbidden, "Another web site sent this form", "Nothing was done. Start again from your app, or from your account at "+accountPath+".")
			return
		}
		next(w, r)
	}
}

type errorPage struct {
	Style            template.CSS
	Happened, Advice string
	Next             template.URL // a way on; may be empty
	To               string       // where that leads
}

// ticketPage answers a form or a callback that leads nowhere.
func (s *Server) ticketPage(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrTaken) || errors.Is(err, ErrConflict) {
		s.errorPage(w, http.StatusBadRequest, "This sign-in has expired, was already used, or was begun in another browser",
			"Start again from your app, and allow cookies for this site.")
		return
	}
	s.logFailure(r, err)
	s.errorPage(w, http.StatusInternalServerError, "Something failed here", "Start again from your app in a minute.")
}

// consentPage is what the consent page shows.
type consentPage struct {
	Style        template.CSS
	Token        string
	Action       string
	Client       string // as it calls itself; anybody can claim any name
	Destination  string // where codes go
	Local        bool   // to an app on the user's own device, and any app can be that
	UserCode     string // to whatever device shows it
	Source       string // which asked from there
	Home         string // the site whose document describes it; empty: it registered
	Reach        string
	UpstreamName string
	Skills       []skillChoice
	Problem      string
}

type skillChoice struct {
	Skill
	Ticked bool
	Asked  bool // for, by the client
	Scopes string
}

func (s *Server) consentPage(pending authorization, token, problem string) consentPage {
	p := consentPage{
		Style:        template.CSS(style),
		Token:        token,
		Action:       authorizePath,
		Client:       pending.Client.Name,
		Reach:        s.reach(pending.Resource),
		UpstreamName: s.upstreamName,
		Problem:      problem,
	}
	if pending.For == forDevice {
		p.Action, p.UserCode, p.Source = devicePath, pending.UserCode, pending.Source
	} else {
		p.Destination, p.Local = destination(pending.RedirectURI)
	}
	p.Home = s.home(pending.Client.ID)
	if p.Client == "" {
		p.Client = namelessClient
	}
	p.Skills = s.skillChoices(pending.Asked, problem == "")
	return p
}

// home is the host whose document describes a client; empty: it registered.
func (s *Server) home(clientID string) string {
	home, err := url.Parse(clientID)
	if err != nil || !s.describes(clientID) {
		return ""
	}
	return home.Host
}

const namelessClient = "An app without a name"

// skillChoices are the boxes of a form; with ticked, the default ones are.
func (s *Server) skillChoices(asked []string, ticked bool) []skillChoice {
	var choices []skillChoice
	for _, skill := range s.skills {
		choices = append(choices, skillChoice{
			Skill:  skill,
			Ticked: skill.Default && ticked,
			Asked:  slices.Contains(asked, skill.ID),
			Scopes: strings.Join(skill.Upstream, ", "),
		})
	}
	return choices
}

// destination names who receives the codes: a host on the web, or whatever app
// on the user's device listens there.
func destination(redirectURI string) (name string, local bool) {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil: // it was parsed when it was registered
		return redirectURI, true
	case u.Scheme == "https":
		return u.Host, false
	case u.Scheme == "http":
		return u.Host + " (this computer)", true
	default:
		return "the app on this device that opens " + u.Scheme + ": links", true
	}
}
