package oauth

import (
	"context"
	"errors"
	"html/template"
	"net/url"
	"strconv"
	"time"
)

const recentEvents = 20

// signInPage is what a stranger sees of the account page.
type signInPage struct {
	Style        template.CSS
	Action       string
	UpstreamName string
}

func (s *Server) signInPage() signInPage {
	return signInPage{template.CSS(style), signInPath, s.upstreamName}
}

// accountPage is what a signed-in user sees.
type accountPage struct {
	Style template.CSS
	Proof string
	Paths struct{ Account, SignOut, End, Personal string }
	User  string
	Admin bool

	Everyone bool   // and not only one's own
	Of       string // whose, if Everyone; empty: all
	OfName   string
	After    string // the next page begins after this grant; empty: there is none

	Apps   []grantLine
	Tokens []grantLine
	Skills []skillChoice
	Lives  []lifeChoice
	Events []eventLine
}

type grantLine struct {
	Page                   *accountPage
	ID, UserID, UserName   string
	Client, Home, Reach    string // Home: as on the consent page
	Skills                 []string
	Created, Used, Expires string // Used: empty if it was not
	Personal               bool
}

type lifeChoice struct {
	Days   int
	Name   string
	Ticked bool
}

type eventLine struct{ Time, What, Detail, Source string }

func (s *Server) accountPage(ctx context.Context, who session, q url.Values) (*accountPage, error) {
	p := &accountPage{
		Style: template.CSS(style), Proof: who.proof(), User: who.UserName, Admin: who.Admin,
		Everyone: who.Admin && q.Get("everyone") != "",
		Skills:   s.skillChoices(nil, true), Lives: lifeChoices(),
	}
	p.Paths.Account, p.Paths.SignOut, p.Paths.End, p.Paths.Personal = accountPath, signOutPath, endPath, personalPath
	grants, more, err := s.listed(ctx, who, q)
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		line := s.grantLine(p, g)
		if line.Personal && !p.Everyone {
			p.Tokens = append(p.Tokens, line)
		} else {
			p.Apps = append(p.Apps, line)
		}
	}
	if more {
		p.After = grants[len(grants)-1].ID
	}
	if p.Everyone {
		p.Of = q.Get("user")
		if p.Of != "" && len(grants) > 0 {
			p.OfName = grants[0].UserName
		}
		return p, nil
	}
	p.Events, err = s.eventLines(ctx, who.User)
	return p, err
}

// pageMark finds the grant after which a page of everybody's goes on. One that
// has ended meanwhile means the first page.
func (s *Server) pageMark(ctx context.Context, id string) (*Grant, error) {
	if id == "" {
		return nil, nil
	}
	grant, err := s.store.Grant(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return &grant.Grant, err
}

func (s *Server) grantLine(p *accountPage, g ListedGrant) grantLine {
	line := grantLine{
		Page: p, ID: g.ID, UserID: g.User, UserName: g.UserName, Client: g.ClientName, Home: s.home(g.ClientID), Reach: s.reach(g.Resource),
		Created: day(g.Created), Expires: day(g.Expires), Personal: g.ClientID == PersonalClient,
	}
	if line.Client == "" {
		line.Client = namelessClient
	}
	if !g.Used.IsZero() {
		line.Used = moment(g.Used)
	}
	for _, skill := range s.skills {
		for _, id := range g.Scopes {
			if id == skill.ID {
				line.Skills = append(line.Skills, skill.Title)
			}
		}
	}
	return line
}

func (s *Server) eventLines(ctx context.Context, user string) ([]eventLine, error) {
	events, err := s.store.Events(ctx, EventQuery{User: user, Newest: true, Limit: recentEvents})
	var lines []eventLine
	for _, e := range events {
		what := e.Kind
		if e.Outcome != OutcomeOK {
			what += ": " + e.Outcome
		}
		lines = append(lines, eventLine{Time: moment(e.Time), What: what, Detail: e.Detail, Source: e.Source})
	}
	return lines, err
}

func lifeChoices() []lifeChoice {
	var choices []lifeChoice
	for _, days := range []int{7, 30, 90, 365} {
		choices = append(choices, lifeChoice{days, strconv.Itoa(days) + " days", days == 30})
	}
	return choices
}

func day(t time.Time) string    { return t.UTC().Format("2006-01-02") }
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
