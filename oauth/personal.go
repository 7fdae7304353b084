package oauth

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxPersonalLife is the longest that a personal access token can live.
const MaxPersonalLife = 365 * 24 * time.Hour

// servePersonal sends the user upstream for what a personal access token needs:
// the token stands for a grant, and a grant has an upstream credential of its
// own, with the scopes of its skills and no more.
func (s *Server) servePersonal(w http.ResponseWriter, r *http.Request, who session) {
	if s.limited(w, r, s.limits.approve) {
		return
	}
	pending, err := s.checkPersonal(r.PostForm)
	if err == nil {
		pending.User = who.User
		err = s.goUpstream(w, r, pending)
	}
	var known *Error
	switch {
	case errors.As(err, &known):
		s.accountRefusal(w, err)
	case err != nil:
		s.accountFailure(w, r, err)
	}
}

func (s *Server) checkPersonal(form url.Values) (authorization, error) {
	days, err := strconv.Atoi(form.Get("days"))
	if err != nil {
		return authorization{}, invalidRequest("choose how long the token lives")
	}
	days = min(days, 1000) // a Duration of many more wraps around
	resource := s.resource
	for _, slug := range []string{form.Get("org"), form.Get("project")} {
		if slug = strings.TrimSpace(slug); slug != "" {
			resource += "/" + slug
		}
	}
	if strings.TrimSpace(form.Get("org")) == "" && strings.TrimSpace(form.Get("project")) != "" {
		return authorization{}, invalidRequest("a project needs its organization")
	}
	return s.personal(form.Get("name"), resource, form["skill"], time.Duration(days)*24*time.Hour)
}

// personal checks what a personal access token is to be.
func (s *Server) personal(name, resource string, skills []string, life time.Duration) (authorization, error) {
	name = cleanName(name)
	chosen := s.skillsNamed(strings.Join(skills, " "))
	switch {
	case name == "" || len([]rune(name)) > maxClientName:
		return authorization{}, invalidRequest(fmt.Sprintf("give the token a name of at most %d characters", maxClientName))
	case len(chosen) == 0:
		return authorization{}, invalidRequest("choose at least one skill")
	case life <= 0 || life > MaxPersonalLife:
		return authorization{}, invalidRequest("a token can live for up to 365 days")
	}
	resource, err := s.checkResource(resource)
	if err != nil {
		return authorization{}, err
	}
	return authorization{
		For: forPersonal, Client: Client{ID: PersonalClient, Name: name}, Resource: resource, Skills: skillIDs(chosen),
		Login: newSecret(""), Life: life,
	}, nil
}

// personalPage shows a new token, once.
type personalPage struct {
	Style                        template.CSS
	Name, Token, Reach, Resource string
	Expires, Account             string
}

func (s *Server) finishPersonal(w http.ResponseWriter, r *http.Request, pending authorization, q url.Values) {
	came, err := s.arrive(r.Context(), pending, q)
	if err != nil {
		s.refused(r, PersonalClient, err)
		s.accountRefusal(w, err)
		return
	}
	token, grant, err := s.issuePersonal(r.Context(), pending, came)
	if err != nil {
		s.forget(came.user.ID, "", came.credential)
		s.refused(r, PersonalClient, err)
		s.accountRefusal(w, err)
		return
	}
	s.page(w, http.StatusOK, "personal.html", personalPage{
		template.CSS(style), grant.ClientName, token, s.reach(grant.Resource), grant.Resource, day(grant.Expires), accountPath,
	})
}

// issuePersonal makes a grant whose only token is the access token: it is never
// refreshed, and lives as long as the grant.
func (s *Server) issuePersonal(ctx context.Context, pending authorization, came arrival) (string, Grant, error) {
	grant, err := s.putGrant(ctx, pending, came)
	if errors.Is(err, ErrTooMany) {
		return "", Grant{}, &Error{Code: codeAccessDenied, Description: fmt.Sprintf("you have %d tokens: revoke one that you do not need", MaxPersonalTokens)}
	}
	if err != nil {
		return "", Grant{}, err
	}
	token := newSecret(personalPrefix)
	now := s.now()
	grant.Expires = now.Add(pending.Life)
	err = s.store.Issue(ctx, Issuance{
		Access: AccessToken{
			Hash: hashOf(token), Grant: grant.ID, Resource: grant.Resource, Scopes: grant.Scopes, Created: now, Expires: grant.Expires,
		},
		Now: now, Expires: grant.Expires, ClientExpires: now,
	})
	return token, grant, err
}

// RevokePersonalToken ends a personal access token by the id of its grant, for
// whoever runs the server, and returns what it was; else ErrNotFound.
func (s *Server) RevokePersonalToken(ctx context.Context, id string) (Grant, error) {
	grant, err := s.store.Grant(ctx, id)
	if err != nil {
		return Grant{}, err
	}
	if grant.ClientID != PersonalClient {
		return Grant{}, ErrNotFound
	}
	return grant.Grant, s.end(ctx, grant, Event{By: "operator", Detail: "on the command line"})
}

// PersonalToken is what CreatePersonalToken makes a token of.
type PersonalToken struct {
	Name        string
	Resource    string // empty: the widest
	Skills      []string
	Life        time.Duration // at most MaxPersonalLife
	AccessToken string        // the upstream's, brought by its user: it is never refreshed or revoked
}

// CreatePersonalToken makes a personal access token for the user of an upstream
// token. Nothing else ever shows it again. What is wrong with p is an *Error.
func (s *Server) CreatePersonalToken(ctx context.Context, p PersonalToken) (token string, grant Grant, err error) {
	pending, err := s.personal(p.Name, p.Resource, p.Skills, p.Life)
	if err != nil {
		return "", Grant{}, err
	}
	user, err := s.identify(ctx, p.AccessToken)
	if err != nil {
		return "", Grant{}, fmt.Errorf("identify user: %w", err)
	}
	if err := s.checkReach(ctx, pending, p.AccessToken); err != nil {
		return "", Grant{}, err
	}
	return s.issuePersonal(ctx, pending, arrival{user: user, credential: credential{AccessToken: p.AccessToken, Brought: true}})
}
