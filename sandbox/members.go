package sandbox

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"strconv"
)

// member is a user in an organization.
type member struct {
	User
	role  string
	since float64
	teams []string // slugs
}

func (s *Sandbox) memberRoutes(reg func(pattern, scope string, h handler)) {
	const all = "/organizations/{org}/members/"
	reg("GET "+all, "member:read", listMembers)
	reg("GET "+all+"{member}/", "member:read", getMember)
	reg("POST "+all+"{member}/teams/{team}/", "", joinTeam)
	reg("DELETE "+all+"{member}/teams/{team}/", "", leaveTeam)
}

// seenMembers are the members of ?1 that ?2 sees: for a guest, those of the
// guest's own teams.
const seenMembers = `SELECT m.user FROM member m JOIN member me ON me.org = m.org AND me.user = ?2
	WHERE m.org = ?1 AND (me.role <> 'guest' OR m.user IN (SELECT other.user FROM team_member mine JOIN team t ON t.id = mine.team AND t.org = ?1
		JOIN team_member other ON other.team = t.id WHERE mine.user = ?2))`

// membersIn selects the members of ?1 that ?2 sees, with those of their teams
// that ?2 sees.
const membersIn = `WITH seen AS (SELECT t.id, t.slug FROM team t JOIN member me ON me.org = t.org AND me.user = ?2
		WHERE t.org = ?1 AND (me.role <> 'guest' OR t.id IN (SELECT team FROM team_member WHERE user = ?2)))
	SELECT u.id, u.email, u.name, u.username, m.role, o.created,
		(SELECT json_group_array(seen.slug ORDER BY seen.slug) FROM team_member tm JOIN seen ON seen.id = tm.team WHERE tm.user = u.id) AS teams
	FROM member m JOIN user u ON u.id = m.user JOIN org o ON o.id = m.org
	WHERE m.org = ?1 AND u.id IN (` + seenMembers + ")"

func (m *member) scan(scan func(...any) error) error {
	var teams []byte
	if err := scan(append(m.fields(), &m.role, &m.since, &teams)...); err != nil {
		return err
	}
	return json.Unmarshal(teams, &m.teams)
}

func scanMember(rows *sql.Rows) (m member, err error) { return m, m.scan(rows.Scan) }

func memberJSON(m member) map[string]any {
	user := userJSON(m.User)
	user["isActive"], user["emails"] = true, []any{}
	return map[string]any{
		"id": strconv.FormatInt(m.ID, 10), "email": m.Email, "name": m.Name, "user": user, "role": m.role, "orgRole": m.role,
		"roleName": m.role, "pending": false, "expired": false, "inviteStatus": "approved", "dateCreated": stamp(m.since), "teams": m.teams,
	}
}

func (r *request) listMembersOf(where string, args ...any) (any, error) {
	found, err := paged(r, scanMember, membersIn+where+" ORDER BY u.email", append([]any{r.org.id, r.user.ID}, args...)...)
	if err != nil {
		return nil, err
	}
	return each(found, memberJSON), nil
}

func listMembers(r *request) (any, error) {
	return r.listMembersOf(" AND (instr(lower(u.email), ?3) OR instr(lower(u.name), ?3) OR instr(lower(u.username), ?3))", r.text("query"))
}

func listTeamMembers(r *request) (any, error) {
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	return r.listMembersOf(" AND u.id IN (SELECT user FROM team_member WHERE team = ?3)", t.id)
}

// member looks up {member} of the path, an id or "me".
func (r *request) member() (m member, err error) {
	id := asID(r.PathValue("member"))
	if r.PathValue("member") == "me" {
		id = r.user.ID
	}
	row := r.sb.read().QueryRowContext(r.Context(), membersIn+" AND u.id = ?3", r.org.id, r.user.ID, id)
	return m, orNotFound(m.scan(row.Scan))
}

func getMember(r *request) (any, error) {
	m, err := r.member()
	if err != nil {
		return nil, err
	}
	return memberJSON(m), nil
}

func joinTeam(r *request) (any, error) {
	r.status = http.StatusCreated
	return r.changeMember("INSERT INTO team_member(team, user) VALUES (?, ?) ON CONFLICT DO NOTHING")
}

func leaveTeam(r *request) (any, error) {
	return r.changeMember("DELETE FROM team_member WHERE team = ? AND user = ?")
}

// changeMember puts a member into a team or out of it. Members may do it for
// themselves and, when their role lets them write teams, for others. Guests may
// not, or they could let themselves into projects.
func (r *request) changeMember(query string) (any, error) {
	if !r.scopes.has("team:write") {
		return nil, forbidden("team:write")
	}
	m, err := r.member()
	if err != nil {
		return nil, err
	}
	t, err := r.team()
	if err != nil {
		return nil, err
	}
	if r.org.role == "guest" || m.ID != r.user.ID && !roleAllows(r.org.role, "team:write") {
		return nil, refuse(http.StatusForbidden, "You do not have permission to perform this action. The role %s does not change the teams of this member.", r.org.role)
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.Context(), query, t.id, m.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if t, err = r.team(); err != nil {
		return nil, err
	}
	return teamJSON(t), nil
}
