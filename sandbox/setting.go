package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxSettings    = 500      // of a kind in an organization
	maxSettingBody = 64 << 10 // a list reads a hundred of them
	maxSettingName = 256
)

// Kinds of settings.
const (
	uptimeKind    = "uptime"
	issueRuleKind = "rule"
	metricKind    = "alert_rule"
	dashboardKind = "dashboard"
)

// setting is something that people set up and that the sandbox keeps and never
// acts on. Its body is that of the kind.
type setting struct {
	id       int64
	kind     string
	org      int64
	name     string
	body     []byte
	author   int64 // 0: the seed
	created  float64
	updated  float64
	projects []int64
}

const settingColumns = `s.id, s.kind, s.org, s.name, s.body, s.author, s.created, s.updated,
	(SELECT json_group_array(project) FROM setting_project WHERE setting = s.id) FROM setting s`

func scanSetting(rows *sql.Rows) (t setting, err error) {
	var projects []byte
	if err := rows.Scan(&t.id, &t.kind, &t.org, &t.name, &t.body, &t.author, &t.created, &t.updated, &projects); err != nil {
		return t, err
	}
	return t, json.Unmarshal(projects, &t.projects)
}

// settings are those of some kinds, a JSON list, that the user may see and that are of the
// request's projects, if they are of any. A dashboard tells of all its projects
// at once, so all of them have to be the user's.
func (r *request) settings(kinds, where, order string, limit, offset int, args ...any) ([]setting, error) {
	ids, err := r.projectIDs()
	if err != nil {
		return nil, err
	}
	projects, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return collect(r.Context(), r.sb.read(), scanSetting, "SELECT "+settingColumns+` WHERE s.org = ?1 AND s.kind IN (SELECT value FROM json_each(?2))
		AND (NOT EXISTS (SELECT 1 FROM setting_project WHERE setting = s.id)
			OR EXISTS (SELECT 1 FROM setting_project WHERE setting = s.id AND project IN (SELECT value FROM json_each(?3))))
		AND (s.kind <> '`+dashboardKind+`' OR `+r.seesAllOf()+`)
		AND (`+where+") ORDER BY "+order+" LIMIT ?4 OFFSET ?5", append([]any{r.org.id, kinds, string(projects), limit, offset}, args...)...)
}

// seesAllOf is SQL for the user's seeing all projects of the setting s.
func (r *request) seesAllOf() string {
	return "NOT EXISTS (SELECT 1 FROM setting_project WHERE setting = s.id AND project NOT IN (SELECT project FROM access WHERE user = " + strconv.FormatInt(r.user.ID, 10) + "))"
}

// showSetting renders one of a kind.
type showSetting func(r *request, t setting) (map[string]any, error)

func (show showSetting) each(r *request, all []setting) ([]map[string]any, error) {
	out := []map[string]any{}
	for _, t := range all {
		one, err := show(r, t)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// listSettings answers with a page of a kind, or of several.
func (r *request) listSettings(kinds []string, where, order string, show showSetting, args ...any) (any, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	kind, err := json.Marshal(kinds)
	if err != nil {
		return nil, err
	}
	all, err := r.settings(string(kind), where, order, limit+1, offset, args...)
	if err != nil {
		return nil, err
	}
	return show.each(r, cut(r, all, limit, offset))
}

// setting looks up {setting} of the path, which is of a kind.
func (r *request) setting(kind string) (setting, error) {
	all, err := r.settings(`["`+kind+`"]`, "s.id = ?6", "s.id", 1, 0, asID(r.PathValue("setting")))
	if err == nil && len(all) == 0 {
		err = notFound()
	}
	if err != nil {
		return setting{}, err
	}
	return all[0], nil
}

// insert stores a new setting.
func (t *setting) insert(ctx context.Context, q querier) error {
	done, err := q.ExecContext(ctx, `INSERT INTO setting(kind, org, name, body, author, created, updated) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
		WHERE (SELECT count(*) FROM setting WHERE org = ?2 AND kind = ?1) < ?8`, t.kind, t.org, t.name, string(t.body), t.author, t.created, t.updated, maxSettings)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, badRequest("The organization has %d of them already, and there may be no more.", maxSettings))
	}
	if t.id, err = done.LastInsertId(); err != nil {
		return err
	}
	return t.place(ctx, q)
}

// bodyOf reads the body of a setting, which is of the kind that has such bodies.
func bodyOf[T any](t setting) (body T, err error) {
	if err = json.Unmarshal(t.body, &body); err != nil {
		err = fmt.Errorf("stored setting %d: %w", t.id, err)
	}
	return body, err
}

// encode takes over what a request says.
func (t *setting) encode(r *request, body settingBody) (err error) {
	if err := body.settle(r, t); err != nil {
		return err
	}
	if t.body, err = json.Marshal(body); err != nil {
		return err
	}
	if len(t.body) > maxSettingBody {
		return badRequest("It is larger than %d bytes.", maxSettingBody)
	}
	return nil
}

// place notes the projects that the setting is of.
func (t *setting) place(ctx context.Context, q querier) error {
	if _, err := q.ExecContext(ctx, "DELETE FROM setting_project WHERE setting = ?", t.id); err != nil {
		return err
	}
	for _, id := range t.projects {
		if _, err := q.ExecContext(ctx, "INSERT INTO setting_project(setting, project) VALUES (?, ?) ON CONFLICT DO NOTHING", t.id, id); err != nil {
			return err
		}
	}
	return nil
}

// touchSeed notes that a person has added to the seed, or changed it.
func touchSeed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE seeding SET item = -1")
	return err
}

// nameIn checks a name that people give to something.
func nameIn(field, name string, most int) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", badField(field, "This field may not be blank.")
	}
	if len([]rune(name)) > most {
		return "", badField(field, fmt.Sprintf("Ensure this field has no more than %d characters.", most))
	}
	return name, nil
}

var actorForm = regexp.MustCompile(`^(user|team):(\d{1,18})$`)

// actor checks who is to own something: "user:1001", "team:61001", or "" for
// nobody.
func (r *request) actor(owner string) error {
	if owner == "" {
		return nil
	}
	parts := actorForm.FindStringSubmatch(owner)
	if parts == nil {
		return badField("owner", "Could not parse actor. Write user:ID or team:ID.")
	}
	found, err := r.ownerJSON(owner)
	if err == nil && found == nil {
		err = badField("owner", "The "+parts[1]+" does not exist, or is not in the organization.")
	}
	return err
}

// ownerJSON is null for nobody, and for who is not in the organization any more, or
// hidden from the user.
func (r *request) ownerJSON(owner string) (any, error) {
	kind, id, _ := strings.Cut(owner, ":")
	var name, email string
	var err error
	switch kind {
	case "user":
		err = r.sb.read().QueryRowContext(r.Context(), "SELECT name, email FROM user WHERE id = ?3 AND id IN ("+seenMembers+")", r.org.id, r.user.ID, asID(id)).Scan(&name, &email)
	case "team":
		err = r.sb.read().QueryRowContext(r.Context(), "SELECT slug FROM ("+teamsIn+") WHERE id = ?3", r.org.id, r.user.ID, asID(id)).Scan(&name)
	default:
		return nil, nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]any{"type": kind, "id": id, "name": name}
	if email != "" {
		out["email"] = email
	}
	return out, nil
}

// authorJSON is null for what the seed made.
func (r *request) authorJSON(t setting) (any, error) {
	var u User
	err := r.sb.read().QueryRowContext(r.Context(), "SELECT "+userColumns+" FROM user WHERE id = ?", t.author).Scan(u.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return userJSON(u), err
}

// ruleOf reads a rule, of which projects it is, and who made it.
func ruleOf[T any](r *request, t setting) (rule T, slugs []string, author any, err error) {
	if rule, err = bodyOf[T](t); err != nil {
		return rule, nil, nil, err
	}
	if slugs, err = r.slugs(t); err != nil {
		return rule, nil, nil, err
	}
	author, err = r.authorJSON(t)
	return rule, slugs, author, err
}

// slugs are those of the setting's projects that the user sees.
func (r *request) slugs(t setting) ([]string, error) {
	all, err := r.sb.projectsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, id := range t.projects {
		if i := indexProject(all, strconv.FormatInt(id, 10)); i >= 0 {
			out = append(out, all[i].slug)
		}
	}
	return out, nil
}

// keepObject checks a member that the sandbox keeps as it comes.
func keepObject(field string, o payload.Object, id string) error {
	if payload.Text(o[id]) == "" {
		return badField(field, fmt.Sprintf("Each has to be an object with a %s.", id))
	}
	return nil
}
