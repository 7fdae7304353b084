package sandbox

import (
	"database/sql"
	"errors"
	"net/http"
	"regexp"
	"strings"
)

const (
	maxProjects    = 1000 // of an organization
	maxProjectSlug = 100
)

func (s *Sandbox) projectRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /organizations/{org}/projects/", "project:read", listProjects)
	reg("GET /projects/{org}/{project}/", "project:read", getProject)
	reg("PUT /projects/{org}/{project}/", "project:write", updateProject)
}

var platformForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

func (n naming) readProject(p *project) error {
	if err := n.read(&p.name, &p.slug, maxProjectSlug); err != nil {
		return err
	}
	if n.Platform != nil {
		if p.platform = *n.Platform; p.platform != "" && !platformForm.MatchString(p.platform) {
			return badField("platform", "Invalid platform.")
		}
	}
	if p.platform == "" {
		p.platform = "other"
	}
	return nil
}

// addProject makes a project of the team, with a key.
func addProject(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	var n naming
	if err := r.decode(&n); err != nil {
		return nil, err
	}
	p := project{org: r.org.id, created: seconds(r.sb.now())}
	if err := n.readProject(&p); err != nil {
		return nil, err
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) (err error) {
		if err = errors.Join(room(r.Context(), tx, "project", r.org.id, maxProjects), free(r.Context(), tx, "project", r.org.id, 0, p.slug)); err != nil {
			return err
		}
		err = tx.QueryRowContext(r.Context(), "INSERT INTO project(org, slug, name, platform, created) VALUES (?, ?, ?, ?, ?) RETURNING id",
			p.org, p.slug, p.name, p.platform, p.created).Scan(&p.id)
		if err != nil {
			return err
		}
		if _, err = tx.ExecContext(r.Context(), "INSERT INTO project_team(project, team) VALUES (?, ?)", p.id, t.id); err != nil {
			return err
		}
		_, err = tx.ExecContext(r.Context(), "INSERT INTO dsn(public, secret, project, name, created) VALUES (?, ?, ?, 'Default', ?)",
			randomHex(16), randomHex(16), p.id, p.created)
		return err
	})
	if err != nil {
		return nil, taken(err, "project")
	}
	r.project, r.status = p, http.StatusCreated
	return getProject(r)
}

// updateProject changes a project. Its number stays, and with it its DSN is
// good; its issues take the new slug into their short ids, as in Sentry.
func updateProject(r *request) (any, error) {
	var n naming
	if err := r.decode(&n); err != nil {
		return nil, err
	}
	p, old := r.project, r.project.slug
	if err := n.readProject(&p); err != nil {
		return nil, err
	}
	err := r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if err := free(r.Context(), tx, "project", r.org.id, p.id, p.slug); err != nil {
			return err
		}
		if p.slug != old {
			_, err := tx.ExecContext(r.Context(), "UPDATE issue SET short = ? || substr(short, ?) WHERE project = ?", strings.ToUpper(p.slug), len(old)+1, p.id)
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(r.Context(), "UPDATE project SET slug = ?, name = ?, platform = ? WHERE id = ?", p.slug, p.name, p.platform, p.id)
		return err
	})
	if errors.Is(err, errTaken) {
		return nil, badField("slug", "Another project is already using that slug.")
	}
	if err != nil {
		return nil, err
	}
	r.project = p
	return getProject(r)
}

func listProjects(r *request) (any, error) {
	projects, err := paged(r, scanProject, visible+` AND (instr(lower(p.slug), ?3) OR instr(lower(p.name), ?3)) ORDER BY p.slug`,
		r.user.ID, r.org.id, r.text("query"))
	if err != nil {
		return nil, err
	}
	return r.projectsJSON(projects)
}

func getProject(r *request) (any, error) {
	out, err := r.projectsJSON([]project{r.project})
	if err != nil {
		return nil, err
	}
	out[0]["organization"] = r.sb.orgJSON(r.org)
	return out[0], nil
}
