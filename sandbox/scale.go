package sandbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

// Scale is how much a sandbox holds beside its story: as much as a load run
// needs. The same Scale makes the same ids, slugs, keys and events each time,
// but for the clock.
//
// User n, from 1 on, is user-n@example.test, organization n is org-n and
// project n is service-n, which belongs to organization 1 + (n-1) % Orgs, has
// the DSN key that ScaleKey tells, and is of its organization's one team,
// everyone. Users are spread over the organizations in the same way, the first
// of each being its owner, and every fourth belongs to the next one, too; an
// organization without a user of its own has user 1. Issue n is of project
// 1 + (n-1) % Projects and has one event, with the organization's mark as a tag.
type Scale struct {
	Users, Orgs, Projects, Issues int
	Rand                          uint64 // another one makes other keys and event ids
}

// scaleBase is the number before the first user, organization, team and project.
const scaleBase = 1_000_000

// scaleMost are the bounds.
var scaleMost = Scale{Users: 100_000, Orgs: 10_000, Projects: 100_000, Issues: 500_000}

// ParseScale reads users=1000,orgs=100,projects=1000,issues=10000, in any
// order; rand=7 may be beside them.
func ParseScale(text string) (s Scale, err error) {
	into := map[string]*int{"users": &s.Users, "orgs": &s.Orgs, "projects": &s.Projects, "issues": &s.Issues}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name == "rand" {
			if s.Rand, err = strconv.ParseUint(value, 10, 64); err != nil {
				return Scale{}, fmt.Errorf("scale: rand %q is not a whole number", payload.Clip(value, 50))
			}
			continue
		}
		n := into[name]
		if n == nil {
			return Scale{}, fmt.Errorf("scale: %q is not users=N, orgs=N, projects=N, issues=N or rand=N, each once", payload.Clip(part, 50))
		}
		delete(into, name)
		if *n, err = strconv.Atoi(value); err != nil {
			return Scale{}, fmt.Errorf("scale: %s %q is not a whole number", name, payload.Clip(value, 50))
		}
	}
	return s, s.check()
}

func (s Scale) check() error {
	for _, c := range []struct {
		name    string
		n, most int
	}{{"users", s.Users, scaleMost.Users}, {"orgs", s.Orgs, scaleMost.Orgs}, {"projects", s.Projects, scaleMost.Projects}, {"issues", s.Issues, scaleMost.Issues}} {
		if c.n < 0 || c.n > c.most {
			return fmt.Errorf("scale: %s=%d is not between 0 and %d", c.name, c.n, c.most)
		}
	}
	switch {
	case s.Orgs > 0 && s.Users == 0:
		return fmt.Errorf("scale: orgs=%d need users=1 at least, to belong to them", s.Orgs)
	case s.Projects > 0 && s.Orgs == 0:
		return fmt.Errorf("scale: projects=%d need orgs=1 at least, to be in", s.Projects)
	case s.Issues > 0 && s.Projects == 0:
		return fmt.Errorf("scale: issues=%d need projects=1 at least, to be in", s.Issues)
	case s.Projects > maxProjects*s.Orgs:
		return fmt.Errorf("scale: projects=%d in orgs=%d are more than %d in each", s.Projects, s.Orgs, maxProjects)
	case s.Issues > s.Projects*keepCount:
		return fmt.Errorf("scale: issues=%d in projects=%d are more than %d in each, of which retention keeps no more", s.Issues, s.Projects, keepCount)
	}
	return nil
}

func (s Scale) hex(digits int, what string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "scale %d %s %d", s.Rand, what, n))
	return hex.EncodeToString(sum[:])[:digits]
}

// ScaleKey is the public key of project n.
func (s Scale) ScaleKey(n int) string { return s.hex(32, "key", n) }

// org is the number of the organization that the nth of what is spread over
// them belongs to.
func (s Scale) org(n int) int { return 1 + (n-1)%s.Orgs }

// scale makes what is not there yet. A file that holds another Scale is left
// as it is.
func (s *Sandbox) scale(ctx context.Context, tx *sql.Tx, sc Scale) error {
	there, issues, err := scaled(ctx, tx, sc)
	if err != nil || there && issues >= sc.Issues {
		return err
	}
	began := time.Now()
	q := s.statements.in(tx)
	adds := []func(context.Context, querier, Scale) error{s.scaleOrgs, s.scaleUsers, s.scaleProjects, s.scaleIssues}
	if there {
		adds = adds[3:]
	}
	for _, add := range adds {
		if err := add(ctx, q, sc); err != nil {
			return err
		}
	}
	s.log.Info("scaled the sandbox", slog.Int("users", sc.Users), slog.Int("orgs", sc.Orgs), slog.Int("projects", sc.Projects),
		slog.Int("issues", sc.Issues), slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	return nil
}

// scaled tells whether the file holds the Scale already, and how many issues
// its projects have had: what SDKs sent there counts, too.
func scaled(ctx context.Context, tx *sql.Tx, sc Scale) (there bool, issues int, err error) {
	var users, orgs, projects int
	var key sql.NullString
	err = tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM user WHERE id > ?1), (SELECT count(*) FROM org WHERE id > ?1),
		(SELECT count(*) FROM dsn WHERE name = 'Scale'), (SELECT public FROM dsn WHERE name = 'Scale' AND project = ?1 + 1),
		(SELECT coalesce(sum(p.shorts), 0) FROM project p JOIN dsn d ON d.project = p.id WHERE d.name = 'Scale')`, scaleBase).
		Scan(&users, &orgs, &projects, &key, &issues)
	switch {
	case err != nil:
		return false, 0, err
	case users == 0 && orgs == 0 && projects == 0:
		return false, 0, nil
	case users != sc.Users || orgs != sc.Orgs || projects != sc.Projects || key.Valid && key.String != sc.ScaleKey(1), issues > 0 && issues < sc.Issues:
		return false, 0, fmt.Errorf("it holds another scale (users=%d,orgs=%d,projects=%d,issues=%d); use another file, or reset this one", users, orgs, projects, issues)
	}
	return true, issues, nil
}

// spread runs the query for 1 to n with the arguments that args gives.
func spread(ctx context.Context, q querier, n int, query string, args func(n int) []any) error {
	for i := 1; i <= n; i++ {
		if _, err := q.ExecContext(ctx, query, args(i)...); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) scaleOrgs(ctx context.Context, q querier, sc Scale) error {
	created := seconds(s.now().Add(-keepFor))
	err := spread(ctx, q, sc.Orgs, "INSERT INTO org(id, slug, name, created) VALUES (?, ?, ?, ?)", func(n int) []any {
		return []any{scaleBase + n, fmt.Sprintf("org-%d", n), fmt.Sprintf("Organization %d", n), created}
	})
	if err != nil {
		return err
	}
	return spread(ctx, q, sc.Orgs, "INSERT INTO team(id, org, slug, name, created) VALUES (?1, ?1, 'everyone', 'Everyone', ?2)", func(n int) []any {
		return []any{scaleBase + n, created}
	})
}

func (s *Sandbox) scaleUsers(ctx context.Context, q querier, sc Scale) error {
	err := spread(ctx, q, sc.Users, "INSERT INTO user(id, email, name, username) VALUES (?, ?, ?, ?)", func(n int) []any {
		return []any{scaleBase + n, fmt.Sprintf("user-%d@example.test", n), fmt.Sprintf("User %d", n), fmt.Sprintf("user-%d", n)}
	})
	if err != nil || sc.Orgs == 0 {
		return err
	}
	join := func(org, user int, role string) error {
		_, err := q.ExecContext(ctx, "INSERT INTO member(org, user, role) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", scaleBase+org, scaleBase+user, role)
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, "INSERT INTO team_member(team, user) VALUES (?, ?) ON CONFLICT DO NOTHING", scaleBase+org, scaleBase+user)
		return err
	}
	for n := 1; n <= max(sc.Users, sc.Orgs); n++ {
		user, role := n, "member"
		if n > sc.Users {
			user = 1
		}
		if n <= sc.Orgs {
			role = "owner"
		}
		if err := join(sc.org(n), user, role); err != nil {
			return err
		}
		if user == n && n%4 == 0 {
			if err := join(sc.org(n+1), user, "member"); err != nil {
				return err
			}
		}
	}
	return nil
}

var scalePlatforms = []string{"go", "python", "node", "javascript-react"}

func scaleSlug(n int) string { return "service-" + strconv.Itoa(n) }

func (s *Sandbox) scaleProjects(ctx context.Context, q querier, sc Scale) error {
	created := seconds(s.now().Add(-keepFor))
	for _, step := range []struct {
		query string
		args  func(n int) []any
	}{
		{"INSERT INTO project(id, org, slug, name, platform, created) VALUES (?, ?, ?, ?, ?, ?)", func(n int) []any {
			return []any{scaleBase + n, scaleBase + sc.org(n), scaleSlug(n), fmt.Sprintf("Service %d", n), scalePlatforms[n%len(scalePlatforms)], created}
		}},
		{"INSERT INTO project_team(project, team) VALUES (?, ?)", func(n int) []any { return []any{scaleBase + n, scaleBase + sc.org(n)} }},
		{"INSERT INTO dsn(public, secret, project, name, created) VALUES (?, ?, ?, 'Scale', ?)", func(n int) []any {
			return []any{sc.ScaleKey(n), sc.hex(32, "secret", n), scaleBase + n, created}
		}},
	} {
		if err := spread(ctx, q, sc.Projects, step.query, step.args); err != nil {
			return err
		}
	}
	return nil
}

// scaleEvery is after how many issues the log tells of the progress.
const scaleEvery = 10_000

// scaleIssues sends the events through ingest, each at its time within the
// last two weeks.
func (s *Sandbox) scaleIssues(ctx context.Context, q querier, sc Scale) error {
	for n := 1; n <= sc.Issues; n++ {
		in := 1 + (n-1)%sc.Projects
		at := s.now().Add(-time.Duration(n*7919%(14*24*3600)) * time.Second)
		b := &batch{Arrival: payload.Arrival{Received: at}, ctx: ctx, tx: q,
			project: project{id: int64(scaleBase + in), org: int64(scaleBase + sc.org(in)), slug: scaleSlug(in), platform: scalePlatforms[in%len(scalePlatforms)]}}
		raw, err := json.Marshal(sc.event(n, in, at))
		if err != nil {
			return err
		}
		if _, err := b.ingest(&payload.Envelope{Items: []payload.Item{{Kind: "event", Payload: raw}}}); err != nil {
			return fmt.Errorf("issue %d: %w", n, err)
		}
		if n%scaleEvery == 0 && n < sc.Issues {
			s.log.Info("scaling the sandbox", slog.Int("issues", n), slog.Int("of", sc.Issues))
		}
	}
	return nil
}

var scaleKinds = []string{"TimeoutError", "ValueError", "ConnectionError", "KeyError", "AssertionError"}

func (sc Scale) event(n, in int, at time.Time) payload.Object {
	step := fmt.Sprintf("step%d", n)
	return payload.Object{
		"event_id": sc.hex(32, "event", n), "timestamp": at.Format(time.RFC3339Nano), "platform": scalePlatforms[in%len(scalePlatforms)],
		"level": []string{"error", "warning", "fatal"}[n%3], "transaction": "/" + step, "release": scaleSlug(in) + "@1." + strconv.Itoa(n%7),
		"environment": "production", "tags": payload.Object{"mark": Mark(fmt.Sprintf("org-%d", sc.org(in)))},
		"user":     payload.Object{"id": strconv.Itoa(n % 997)},
		"contexts": payload.Object{"trace": payload.Object{"trace_id": sc.hex(32, "trace", n), "span_id": sc.hex(16, "span", n)}},
		"exception": []payload.Object{{"type": scaleKinds[n%len(scaleKinds)], "value": fmt.Sprintf("%s of %s did not end well", step, scaleSlug(in)),
			"stacktrace": payload.Object{"frames": []payload.Object{
				{"filename": "main.go", "function": "main", "lineno": 10, "in_app": true},
				{"filename": "steps.go", "function": step, "lineno": n % 500, "in_app": true}}}}},
	}
}
