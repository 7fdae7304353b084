package sandbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

// issueUpdate is what one person does to one issue, with a row of activity for
// everything that really changes.
type issueUpdate struct {
	ctx         context.Context
	q           querier
	issue, user int64
	at          float64
}

func (u *issueUpdate) note(kind string, data payload.Object) error {
	return addActivity(u.ctx, u.q, u.issue, u.user, kind, data, u.at)
}

func (u *issueUpdate) resolve(details payload.Object) error {
	kind := "set_resolved"
	if details["inNextRelease"] == true {
		kind = "set_resolved_in_release"
	}
	return u.status(resolved, "", kind, details)
}

func (u *issueUpdate) ignore(substatus string, details payload.Object) error {
	return u.status(ignored, substatus, "set_ignored", details)
}

// status keeps when it was set: later events are judged by it.
func (u *issueUpdate) status(status, substatus, kind string, details payload.Object) error {
	kept := payload.Object{"_at": u.at}
	maps.Copy(kept, details)
	if err := setStatus(u.ctx, u.q, u.issue, status, substatus, kept); err != nil {
		return err
	}
	return u.note(kind, shown(details))
}

// shown leaves out what is for our own use.
func shown(details payload.Object) payload.Object {
	out := payload.Object{}
	for key, v := range details {
		if !strings.HasPrefix(key, "_") {
			out[key] = v
		}
	}
	return out
}

// assign sets the assignee, "user:1001" or "" for nobody.
func (u *issueUpdate) assign(to string) error {
	if _, err := u.q.ExecContext(u.ctx, "UPDATE issue SET assignee = ? WHERE id = ?", to, u.issue); err != nil {
		return err
	}
	if to == "" {
		return u.note("unassigned", nil)
	}
	kind, id, _ := strings.Cut(to, ":")
	return u.note("assigned", payload.Object{"assignee": id, "assigneeType": kind})
}

// change is the body of PUT. Absent members change nothing.
type change struct {
	Status           *string        `json:"status"`
	StatusDetails    *statusDetails `json:"statusDetails"`
	Substatus        *string        `json:"substatus"`
	AssignedTo       *string        `json:"assignedTo"`
	IgnoreDuration   *float64       `json:"ignoreDuration"`
	IgnoreCount      *float64       `json:"ignoreCount"`
	IgnoreWindow     *float64       `json:"ignoreWindow"`
	IgnoreUserCount  *float64       `json:"ignoreUserCount"`
	IgnoreUserWindow *float64       `json:"ignoreUserWindow"`
}

type statusDetails struct {
	InNextRelease    bool     `json:"inNextRelease"`
	IgnoreDuration   *float64 `json:"ignoreDuration"`
	IgnoreCount      *float64 `json:"ignoreCount"`
	IgnoreWindow     *float64 `json:"ignoreWindow"`
	IgnoreUserCount  *float64 `json:"ignoreUserCount"`
	IgnoreUserWindow *float64 `json:"ignoreUserWindow"`
}

func updateIssue(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	var c change
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	now := r.sb.now()
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		return c.apply(r, is, &issueUpdate{ctx: r.Context(), q: tx, issue: is.id, user: r.user.ID, at: seconds(now)}, now)
	})
	if err != nil {
		return nil, err
	}
	if is, err = r.issue(); err != nil {
		return nil, err
	}
	return r.issueJSON(is)
}

func (c *change) apply(r *request, is issue, u *issueUpdate, now time.Time) error {
	if c.AssignedTo != nil {
		to, err := u.assignee(r, is, *c.AssignedTo)
		if err != nil {
			return err
		}
		if to != is.assignee {
			if err := u.assign(to); err != nil {
				return err
			}
		}
	}
	if c.Status == nil {
		if c.Substatus != nil {
			return badRequest("substatus is set together with status")
		}
		return nil
	}
	return c.applyStatus(is, u, now)
}

var substatuses = map[string][]string{
	unresolved: {"ongoing", "new", "escalating", "regressed"},
	ignored:    {"archived_until_escalating", "archived_until_condition_met", "archived_forever"},
}

func (c *change) applyStatus(is issue, u *issueUpdate, now time.Time) error {
	status := *c.Status
	details := c.StatusDetails
	if details == nil {
		details = &statusDetails{}
	}
	if status == "resolvedInNextRelease" {
		status, details.InNextRelease = resolved, true
	}
	substatus := ""
	if c.Substatus != nil {
		substatus = *c.Substatus
		if !slices.Contains(substatuses[status], substatus) {
			return badRequest("substatus %q does not go with status %q", payload.Clip(substatus, 50), payload.Clip(status, 50))
		}
	}
	switch status {
	case resolved:
		if details.InNextRelease {
			release, err := u.latestRelease(is)
			if err != nil {
				return err
			}
			return u.resolve(payload.Object{"inNextRelease": true, "_release": release})
		}
		return u.resolve(nil)
	case ignored:
		conditions, err := c.conditions(details, now)
		if err != nil {
			return err
		}
		switch {
		case substatus == "" && len(conditions) > 0:
			substatus = "archived_until_condition_met"
		case substatus == "":
			substatus = "archived_until_escalating"
		}
		return u.ignore(substatus, conditions)
	case unresolved:
		if is.status == unresolved && (substatus == "" || substatus == is.substatus) {
			return nil
		}
		return u.status(unresolved, cmp.Or(substatus, "ongoing"), "set_unresolved", nil)
	}
	return badRequest("status %q is not one of unresolved, resolved, resolvedInNextRelease, ignored", payload.Clip(status, 50))
}

// conditions until which an issue is ignored; none: until it escalates.
func (c *change) conditions(d *statusDetails, now time.Time) (payload.Object, error) {
	out := payload.Object{}
	for _, o := range []struct {
		name       string
		top, inner *float64
	}{
		{"ignoreDuration", c.IgnoreDuration, d.IgnoreDuration},
		{"ignoreCount", c.IgnoreCount, d.IgnoreCount},
		{"ignoreWindow", c.IgnoreWindow, d.IgnoreWindow},
		{"ignoreUserCount", c.IgnoreUserCount, d.IgnoreUserCount},
		{"ignoreUserWindow", c.IgnoreUserWindow, d.IgnoreUserWindow},
	} {
		v := o.top
		if v == nil {
			v = o.inner
		}
		if v == nil {
			continue
		}
		if *v <= 0 || *v > 1e7 {
			return nil, badRequest("%s must be a number above 0 and at most 10000000", o.name)
		}
		if o.name == "ignoreDuration" {
			until := now.Add(time.Duration(*v * float64(time.Minute)))
			out["ignoreUntil"], out["_until"] = stamp(seconds(until)), seconds(until)
			continue
		}
		out[o.name] = *v
	}
	return out, nil
}

func (u *issueUpdate) latestRelease(is issue) (version string, err error) {
	err = u.q.QueryRowContext(u.ctx, `SELECT r.version FROM release_project rp JOIN release r ON r.id = rp.release
		WHERE rp.project = ? ORDER BY rp.first DESC, r.id DESC LIMIT 1`, is.project).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return version, err
}

// assignee reads user:ID, an email, a username, "me", team:ID, team:SLUG, #SLUG,
// or "" for nobody. Only who sees the issue's project, and a team that has it,
// can be one, if the user of the request may know of them.
func (u *issueUpdate) assignee(r *request, is issue, to string) (string, error) {
	switch to {
	case "":
		return "", nil
	case "me":
		to = "user:" + strconv.FormatInt(r.user.ID, 10)
	}
	kind, id := "user", strings.TrimPrefix(to, "user:")
	search := `SELECT u.id FROM user u JOIN access a ON a.user = u.id
		WHERE a.project = ?3 AND (u.id = ?4 OR u.email = ?5 COLLATE NOCASE OR u.username = ?5 COLLATE NOCASE) AND u.id IN (` + seenMembers + ")"
	for _, prefix := range []string{"team:", "#"} {
		if name, ok := strings.CutPrefix(to, prefix); ok {
			kind, id, to = "team", name, name
			search = `SELECT t.id FROM team t JOIN project_team pt ON pt.team = t.id
				WHERE pt.project = ?3 AND (t.id = ?4 OR t.slug = ?5 COLLATE NOCASE) AND t.id IN (SELECT id FROM (` + teamsIn + `)) ORDER BY t.slug = ?5 COLLATE NOCASE DESC`
		}
	}
	var found int64
	err := u.q.QueryRowContext(u.ctx, search, r.org.id, r.user.ID, is.project, asID(id), to).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return "", &apiError{http.StatusBadRequest, map[string]any{
			"detail": fmt.Sprintf("assignedTo %q is not a member or a team with access to the issue's project; "+
				"write user:ID, an email, a username, me, team:SLUG, or an empty text for nobody", payload.Clip(to, 100)),
			"assignedTo": []string{"Could not parse actor."}}}
	}
	return kind + ":" + strconv.FormatInt(found, 10), err
}
