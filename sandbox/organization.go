package sandbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// org is an organization as one of its members sees it.
type org struct {
	id      int64
	slug    string
	name    string
	created float64
	viewer  int64  // the member
	role    string // the member's
}

type project struct {
	id, org              int64
	slug, name, platform string
	created              float64
}

const (
	orgColumns     = "o.id, o.slug, o.name, o.created, m.user, m.role"
	projectColumns = "p.id, p.org, p.slug, p.name, p.platform, p.created"
)

func (o *org) fields() []any { return []any{&o.id, &o.slug, &o.name, &o.created, &o.viewer, &o.role} }

func scanOrg(rows *sql.Rows) (o org, err error) { return o, rows.Scan(o.fields()...) }

func (p *project) fields() []any {
	return []any{&p.id, &p.org, &p.slug, &p.name, &p.platform, &p.created}
}

func scanProject(rows *sql.Rows) (p project, err error) { return p, rows.Scan(p.fields()...) }

// Mark is a value that an organization's seeded data carry and no other's. It
// lets a test tell whose answer it was given; the package comment says where it
// stands.
func Mark(orgSlug string) string {
	sum := sha256.Sum256([]byte("mark of " + strings.ToLower(orgSlug)))
	return "mk-" + hex.EncodeToString(sum[:6])
}

// orgOf finds an organization by slug or id among those the user belongs to.
func (s *Sandbox) orgOf(ctx context.Context, u User, name string) (o org, err error) {
	err = s.read().QueryRowContext(ctx, "SELECT "+orgColumns+` FROM org o JOIN member m ON m.org = o.id
		WHERE m.user = ? AND (o.slug = ? COLLATE NOCASE OR o.id = ?) ORDER BY o.slug = ? COLLATE NOCASE DESC LIMIT 1`,
		u.ID, name, asID(name), name).Scan(o.fields()...)
	return o, orNotFound(err)
}

// visible selects the projects that ?1 sees in the organization ?2.
const visible = "SELECT " + projectColumns + " FROM project p WHERE p.org = ?2 AND p.id IN (SELECT project FROM access WHERE user = ?1 AND org = ?2)"

// projectOf finds a project by slug or id among those that the viewer may see.
func (s *Sandbox) projectOf(ctx context.Context, o org, name string) (p project, err error) {
	err = s.read().QueryRowContext(ctx, visible+" AND (p.slug = ?3 COLLATE NOCASE OR p.id = ?4) ORDER BY p.slug = ?3 COLLATE NOCASE DESC LIMIT 1",
		o.viewer, o.id, name, asID(name)).Scan(p.fields()...)
	return p, orNotFound(err)
}

// projectsOf are those that the viewer may see.
func (s *Sandbox) projectsOf(ctx context.Context, o org) ([]project, error) {
	return collect(ctx, s.read(), scanProject, visible+" ORDER BY p.slug", o.viewer, o.id)
}

// asID reads a positive number; anything else is 0, which no row has.
func asID(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// DSN returns the address that SDKs send a project's events to.
func (s *Sandbox) DSN(ctx context.Context, orgSlug, projectSlug string) (string, error) {
	var key string
	var id int64
	err := s.read().QueryRowContext(ctx, `SELECT d.public, p.id FROM dsn d JOIN project p ON p.id = d.project JOIN org o ON o.id = p.org
		WHERE o.slug = ? COLLATE NOCASE AND p.slug = ? COLLATE NOCASE AND d.active ORDER BY d.created LIMIT 1`,
		orgSlug, projectSlug).Scan(&key, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = errors.New("there is no such project, or it has no active key")
	}
	if err != nil {
		return "", fmt.Errorf("DSN of %s/%s: %w", orgSlug, projectSlug, err)
	}
	return s.dsn(key, id), nil
}

func (s *Sandbox) dsn(key string, projectID int64) string {
	u, err := url.Parse(s.baseURL())
	if err != nil {
		return ""
	}
	u.User = url.User(key)
	return u.JoinPath(strconv.FormatInt(projectID, 10)).String()
}

func (s *Sandbox) accountRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /auth/", "", whoami)
	reg("GET /users/me/", "", whoami)
	reg("GET /users/me/regions/", "", listRegions)
	reg("GET /organizations/", "org:read", listOrgs)
	reg("GET /organizations/{org}/", "org:read", func(r *request) (any, error) { return r.sb.orgJSON(r.org), nil })
	s.memberRoutes(reg)
	s.teamRoutes(reg)
	s.projectRoutes(reg)
}

func whoami(r *request) (any, error) { return userJSON(r.user), nil }

func userJSON(u User) map[string]any {
	return map[string]any{"id": strconv.FormatInt(u.ID, 10), "name": u.Name, "username": u.Username, "email": u.Email}
}

func listRegions(r *request) (any, error) {
	return map[string]any{"regions": []any{map[string]any{"name": "sandbox", "url": r.sb.baseURL()}}}, nil
}

func listOrgs(r *request) (any, error) {
	orgs, err := paged(r, scanOrg, "SELECT "+orgColumns+` FROM org o JOIN member m ON m.org = o.id
		WHERE m.user = ?1 AND (instr(lower(o.slug), ?2) OR instr(lower(o.name), ?2)) ORDER BY o.slug`, r.user.ID, r.text("query"))
	if err != nil {
		return nil, err
	}
	return each(orgs, r.sb.orgJSON), nil
}

// text is the parameter for a contains-match that ignores case.
func (r *request) text(name string) string { return strings.ToLower(r.URL.Query().Get(name)) }

func each[T any](in []T, f func(T) map[string]any) []map[string]any {
	out := make([]map[string]any, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

func (s *Sandbox) orgJSON(o org) map[string]any {
	return map[string]any{
		"id": strconv.FormatInt(o.id, 10), "slug": o.slug, "name": o.name, "dateCreated": stamp(o.created),
		"status": map[string]string{"id": "active", "name": "active"}, "mark": Mark(o.slug),
		// An http region URL is refused by clients that insist on https; an
		// empty one means "this host".
		"links": map[string]string{"regionUrl": "", "organizationUrl": s.baseURL() + "/organizations/" + o.slug},
	}
}

// projectsJSON says of each project also what kinds of telemetry it has.
func (r *request) projectsJSON(projects []project) ([]map[string]any, error) {
	teams, err := r.teamsByProject(projects)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, len(projects))
	for i, p := range projects {
		var logs, profiles, replays, spans bool
		var firstEvent sql.NullFloat64
		err := r.sb.read().QueryRowContext(r.Context(), `SELECT
			EXISTS (SELECT 1 FROM item WHERE kind = 'log' AND project = ?1), EXISTS (SELECT 1 FROM item WHERE kind = 'profile' AND project = ?1),
			EXISTS (SELECT 1 FROM item WHERE kind = 'replay' AND project = ?1), EXISTS (SELECT 1 FROM item WHERE kind = 'span' AND project = ?1),
			(SELECT min(ts) FROM item WHERE kind = 'error' AND project = ?1)`, p.id).
			Scan(&logs, &profiles, &replays, &spans, &firstEvent)
		if err != nil {
			return nil, err
		}
		out[i] = map[string]any{
			"id": strconv.FormatInt(p.id, 10), "slug": p.slug, "name": p.name, "platform": p.platform, "dateCreated": stamp(p.created),
			"hasLogs": logs, "hasProfiles": profiles, "hasReplays": replays, "firstTransactionEvent": spans,
			"firstEvent": stampOrNil(firstEvent), "isMember": true, "mark": Mark(r.org.slug),
			"team": nil, "teams": []any{},
		}
		if own := teams[p.id]; len(own) > 0 {
			out[i]["team"], out[i]["teams"] = own[0], own
		}
	}
	return out, nil
}

func stampOrNil(f sql.NullFloat64) any {
	if !f.Valid {
		return nil
	}
	return stamp(f.Float64)
}
