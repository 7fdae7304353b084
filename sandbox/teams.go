package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxTeams    = 1000 // of an organization
	maxName     = 64
	maxTeamSlug = 50
)

// team is a team as one user sees it.
type team struct {
	id         int64
	slug, name string
	created    float64
	members    int64
	mine       bool // the user is one of them
}

func (s *Sandbox) teamRoutes(reg func(pattern, scope string, h handler)) {
	const one = "/teams/{org}/{team}/"
	reg("GET /organizations/{org}/teams/", "team:read", listTeams)
	reg("POST /organizations/{org}/teams/", "team:write", addTeam)
	reg("GET "+one, "team:read", getTeam)
	reg("PUT "+one, "team:write", updateTeam)
	reg("DELETE "+one, "team:admin", deleteTeam)
	reg("GET "+one+"members/", "team:read", listTeamMembers)
	reg("GET "+one+"projects/", "project:read", listTeamProjects)
	reg("POST "+one+"projects/", "project:write", addProject)
	const ofProject = "/projects/{org}/{project}/teams/"
	reg("GET "+ofProject, "project:read", listProjectTeams)
	reg("POST "+ofProject+"{team}/", "project:write", giveTeam)
	reg("DELETE "+ofProject+"{team}/", "project:write", takeTeam)
}

// teamsIn selects the teams of ?1 that ?2 sees: a guest only the guest's own.
const teamsIn = `SELECT t.id, t.slug, t.name, t.created, (SELECT count(*) FROM team_member WHERE team = t.id),
		EXISTS (SELECT 1 FROM team_member WHERE team = t.id AND user = ?2)
	FROM team t JOIN member m ON m.org = t.org AND m.user = ?2
	WHERE t.org = ?1 AND (m.role <> 'guest' OR t.id IN (SELECT team FROM team_member WHERE user = ?2))`

func (t *team) fields() []any { return []any{&t.id, &t.slug, &t.name, &t.created, &t.members, &t.mine} }

func scanTeam(rows *sql.Rows) (t team, err error) { return t, rows.Scan(t.fields()...) }

// teamOf finds a team by slug or id among those that the viewer sees.
func (s *Sandbox) teamOf(ctx context.Context, o org, name string) (t team, err error) {
	err = s.read().QueryRowContext(ctx, teamsIn+" AND (t.slug = ?3 COLLATE NOCASE OR t.id = ?4) ORDER BY t.slug = ?3 COLLATE NOCASE DESC LIMIT 1",
		o.id, o.viewer, name, asID(name)).Scan(t.fields()...)
	return t, orNotFound(err)
}

func (r *request) team() (team, error) {
	return r.sb.teamOf(r.Context(), r.org, r.PathValue("team"))
}

// teamsOf are all that the viewer sees.
func (s *Sandbox) teamsOf(ctx context.Context, o org) ([]team, error) {
	return collect(ctx, s.read(), scanTeam, teamsIn+" ORDER BY t.slug", o.id, o.viewer)
}

func teamRef(t team) map[string]any {
	return map[string]any{"id": strconv.FormatInt(t.id, 10), "slug": t.slug, "name": t.name}
}

func teamJSON(t team) map[string]any {
	out := teamRef(t)
	out["dateCreated"], out["memberCount"], out["isMember"], out["hasAccess"] = stamp(t.created), t.members, t.mine, true
	out["isPending"], out["teamRole"], out["avatar"] = false, nil, payload.Object{"avatarType": "letter_avatar", "avatarUuid": nil}
	return out
}

// listTeamsOf answers with a page of the teams that are so.
func (r *request) listTeamsOf(where string, args ...any) (any, error) {
	found, err := paged(r, scanTeam, teamsIn+where+" ORDER BY t.slug", append([]any{r.org.id, r.user.ID}, args...)...)
	if err != nil {
		return nil, err
	}
	return each(found, teamJSON), nil
}

func listTeams(r *request) (any, error) {
	return r.listTeamsOf(" AND (instr(lower(t.slug), ?3) OR instr(lower(t.name), ?3))", r.text("query"))
}

func listProjectTeams(r *request) (any, error) {
	return r.listTeamsOf(" AND t.id IN (SELECT team FROM project_team WHERE project = ?3)", r.project.id)
}

func getTeam(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	return r.teamDetails(t)
}

func (r *request) teamDetails(t team) (any, error) {
	out := teamJSON(t)
	out["organization"] = r.sb.orgJSON(r.org)
	projects, err := r.projectsOfTeam(t)
	out["projects"] = projects
	return out, err
}

func (r *request) projectsOfTeam(t team) ([]map[string]any, error) {
	projects, err := collect(r.Context(), r.sb.read(), scanProject, visible+" AND p.id IN (SELECT project FROM project_team WHERE team = ?3) ORDER BY p.slug LIMIT ?4",
		r.user.ID, r.org.id, t.id, maxPage)
	if err != nil {
		return nil, err
	}
	return r.projectsJSON(projects)
}

func listTeamProjects(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	return r.projectsOfTeam(t)
}

// naming is the body that names a team or a project: what is absent stays.
type naming struct {
	Name     *string `json:"name"`
	Slug     *string `json:"slug"`
	Platform *string `json:"platform"` // of projects
}

// badField is Sentry's answer for a member of the body, with a detail for who
// reads only that.
func badField(field, text string) error {
	return &apiError{http.StatusBadRequest, payload.Object{field: []string{text}, "detail": field + ": " + text}}
}

// slugForm is Sentry's, without those of digits alone, which are ids.
var (
	slugForm = regexp.MustCompile(`^[a-z0-9_-]*[a-z_-][a-z0-9_-]*$`)
	noSlug   = regexp.MustCompile(`[^a-z0-9_]+`)
)

// read checks name and slug and writes them to where they belong. Without a
// slug, one is made of the name for what has none yet.
func (n naming) read(name, slug *string, maxSlug int) error {
	if n.Name != nil {
		if *name = strings.TrimSpace(*n.Name); *name == "" || len(*name) > maxName {
			return badField("name", "It must have 1 to "+strconv.Itoa(maxName)+" bytes.")
		}
	}
	switch {
	case n.Slug != nil:
		if *slug = *n.Slug; len(*slug) > maxSlug || !slugForm.MatchString(*slug) {
			return badField("slug", "It must have at most "+strconv.Itoa(maxSlug)+" lowercase letters, digits, hyphens or underscores, and not only digits.")
		}
	case *slug == "" && *name == "":
		return badField("name", "This field is required.")
	case *slug == "":
		if *slug = payload.Clip(strings.Trim(noSlug.ReplaceAllString(strings.ToLower(*name), "-"), "-"), maxSlug); !slugForm.MatchString(*slug) {
			return badField("slug", "No slug can be made of the name; give one.")
		}
	}
	if *name == "" {
		*name = *slug
	}
	return nil
}

var errTaken = errors.New("slug taken")

// taken turns the refusal of a slug that is not the first of its kind into
// Sentry's answer.
func taken(err error, what string) error {
	if errors.Is(err, errTaken) {
		text := "A " + what + " with this slug already exists."
		return &apiError{http.StatusConflict, payload.Object{"detail": text, "slug": []string{text}}}
	}
	return err
}

// free asks whether a slug may be given to the row id of the table, 0 for a new
// one.
func free(ctx context.Context, tx *sql.Tx, table string, orgID, id int64, slug string) error {
	var used bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+" WHERE org = ? AND id <> ? AND slug = ? COLLATE NOCASE)", orgID, id, slug).Scan(&used)
	if err == nil && used {
		err = errTaken
	}
	return err
}

// room refuses one more row of an organization than there may be.
func room(ctx context.Context, tx *sql.Tx, table string, orgID int64, most int) error {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE org = ?", orgID).Scan(&n); err != nil {
		return err
	}
	if n >= most {
		return badRequest("The organization has %d of them already, and there may be no more.", n)
	}
	return nil
}

// addTeam makes a team with the user as its first member.
func addTeam(r *request) (any, error) {
	var n naming
	if err := r.decode(&n); err != nil {
		return nil, err
	}
	t := team{created: seconds(r.sb.now()), members: 1, mine: true}
	if err := n.read(&t.name, &t.slug, maxTeamSlug); err != nil {
		return nil, err
	}
	err := r.sb.write(r.Context(), func(tx *sql.Tx) (err error) {
		if err = errors.Join(room(r.Context(), tx, "team", r.org.id, maxTeams), free(r.Context(), tx, "team", r.org.id, 0, t.slug)); err != nil {
			return err
		}
		err = tx.QueryRowContext(r.Context(), "INSERT INTO team(org, slug, name, created) VALUES (?, ?, ?, ?) RETURNING id", r.org.id, t.slug, t.name, t.created).Scan(&t.id)
		if err == nil {
			_, err = tx.ExecContext(r.Context(), "INSERT INTO team_member(team, user) VALUES (?, ?)", t.id, r.user.ID)
		}
		return err
	})
	if err != nil {
		return nil, taken(err, "team")
	}
	r.status = http.StatusCreated
	return r.teamDetails(t)
}

func updateTeam(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	var n naming
	if err := r.decode(&n); err != nil {
		return nil, err
	}
	if err := n.read(&t.name, &t.slug, maxTeamSlug); err != nil {
		return nil, err
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if err := free(r.Context(), tx, "team", r.org.id, t.id, t.slug); err != nil {
			return err
		}
		_, err := tx.ExecContext(r.Context(), "UPDATE team SET slug = ?, name = ? WHERE id = ?", t.slug, t.name, t.id)
		return err
	})
	if err != nil {
		return nil, taken(err, "team")
	}
	return r.teamDetails(t)
}

// deleteTeam leaves the team's issues to nobody.
func deleteTeam(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		for _, query := range []string{
			"DELETE FROM team_member WHERE team = ?1",
			"DELETE FROM project_team WHERE team = ?1",
			"UPDATE issue SET assignee = '' WHERE assignee = 'team:' || ?1",
			"DELETE FROM team WHERE id = ?1",
		} {
			if _, err := tx.ExecContext(r.Context(), query, t.id); err != nil {
				return err
			}
		}
		return nil
	})
	r.status = http.StatusNoContent
	return nil, err
}

// giveTeam and takeTeam answer with the project as it is then.
func giveTeam(r *request) (any, error) {
	r.status = http.StatusCreated
	return r.changeTeams("INSERT INTO project_team(project, team) VALUES (?, ?) ON CONFLICT DO NOTHING")
}

func takeTeam(r *request) (any, error) {
	return r.changeTeams("DELETE FROM project_team WHERE project = ? AND team = ?")
}

func (r *request) changeTeams(query string) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.Context(), query, r.project.id, t.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return getProject(r)
}

// teamsByProject are those of each of the projects that the viewer sees.
func (r *request) teamsByProject(projects []project) (map[int64][]map[string]any, error) {
	ids := make([]int64, len(projects))
	for i, p := range projects {
		ids[i] = p.id
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	all, err := r.sb.teamsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	refs := map[int64]map[string]any{}
	for _, t := range all {
		refs[t.id] = teamRef(t)
	}
	out := map[int64][]map[string]any{}
	_, err = collect(r.Context(), r.sb.read(), func(rows *sql.Rows) (_ struct{}, err error) {
		var project, team int64
		err = rows.Scan(&project, &team)
		if ref := refs[team]; ref != nil {
			out[project] = append(out[project], ref)
		}
		return struct{}{}, err
	}, "SELECT pt.project, pt.team FROM project_team pt JOIN team t ON t.id = pt.team WHERE pt.project IN (SELECT value FROM json_each(?)) ORDER BY t.slug", string(list))
	return out, err
}
