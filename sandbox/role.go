package sandbox

import (
	"context"
	"database/sql"
	"time"

	"roundhouse/sandbox/seed"
)

// roleScopes are what the roles of an organization allow at most, whatever the
// token would. A role that is not here, such as manager or owner, allows
// everything.
var roleScopes = map[string]scopeSet{
	"guest":  {"org:read", "project:read", "team:read", "member:read", "event:write", "alerts:read"},
	"member": {"org:read", "project:read", "project:releases", "team:read", "member:read", "member:invite", "event:admin", "alerts:write"},
	"admin": {"org:read", "org:integrations", "project:admin", "project:releases", "project:distribution", "team:admin",
		"member:read", "member:invite", "event:admin", "alerts:write"},
}

// roleAllows tells whether the role may do what needs the scope.
func roleAllows(role, scope string) bool {
	most, limited := roleScopes[role]
	return !limited || scope == "" || most.has(scope)
}

// accounts makes the users of the seed, and the organizations, teams and
// projects that they belong to, each project with a key of its own. What is
// there already stays: a file that an earlier release made has only some.
func (s *Sandbox) accounts(ctx context.Context, tx *sql.Tx) error {
	created := seconds(s.now().Add(-30 * 24 * time.Hour))
	exec := func(query string, args ...any) error {
		_, err := tx.ExecContext(ctx, query+" ON CONFLICT DO NOTHING", args...)
		return err
	}
	for _, u := range seed.Users() {
		if err := exec("INSERT INTO user(id, email, name, username) VALUES (?, ?, ?, ?)", u.ID, u.Email, u.Name, u.Username); err != nil {
			return err
		}
	}
	for _, o := range seed.Orgs() {
		if err := exec("INSERT INTO org(id, slug, name, created) VALUES (?, ?, ?, ?)", o.ID, o.Slug, o.Name, created); err != nil {
			return err
		}
		for user, role := range o.Members {
			if err := exec("INSERT INTO member(org, user, role) VALUES (?, ?, ?)", o.ID, user, role); err != nil {
				return err
			}
		}
		for _, p := range o.Projects {
			err := exec("INSERT INTO project(id, org, slug, name, platform, created) VALUES (?, ?, ?, ?, ?, ?)",
				p.ID, o.ID, p.Slug, p.Name, p.Platform, created)
			if err != nil {
				return err
			}
			err = exec(`INSERT INTO dsn(public, secret, project, name, created) SELECT ?1, ?2, ?3, 'Default', ?4
				WHERE EXISTS (SELECT 1 FROM project WHERE id = ?3) AND NOT EXISTS (SELECT 1 FROM dsn WHERE project = ?3)`,
				randomHex(16), randomHex(16), p.ID, created)
			if err != nil {
				return err
			}
		}
		if err := teams(o, created, exec); err != nil {
			return err
		}
	}
	return nil
}

// teams makes those of an organization whose members and projects are there.
func teams(o seed.Org, created float64, exec func(query string, args ...any) error) error {
	for _, t := range o.Teams {
		if err := exec("INSERT INTO team(id, org, slug, name, created) VALUES (?, ?, ?, ?, ?)", t.ID, o.ID, t.Slug, t.Name, created); err != nil {
			return err
		}
		for _, user := range t.Members {
			if err := exec("INSERT INTO team_member(team, user) SELECT id, ? FROM team WHERE id = ?", user, t.ID); err != nil {
				return err
			}
		}
		for _, project := range t.Projects {
			err := exec("INSERT INTO project_team(project, team) SELECT p.id, t.id FROM project p JOIN team t WHERE p.id = ? AND t.id = ?", project, t.ID)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
