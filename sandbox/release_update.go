package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	maxVersion = 200
	maxCommits = 1000   // of one release
	maxHistory = 20_000 // commits, and deploys, of all releases of an organization
	maxMessage = 10_000
)

// releaseUpdate is what a deployment says of a release. What is nil stays as it
// is.
type releaseUpdate struct {
	Version      string            `json:"version"`
	Projects     []json.RawMessage `json:"projects"` // slugs or ids
	Ref          *string           `json:"ref"`
	URL          *string           `json:"url"`
	DateReleased *string           `json:"dateReleased"`
	Commits      []sentCommit      `json:"commits"` // the latest first; all there are
	Refs         []sentRef         `json:"refs"`

	released time.Time // zero: not said
}

type sentCommit struct {
	ID          string `json:"id"`
	Message     string `json:"message"`
	AuthorName  string `json:"author_name"`
	AuthorEmail string `json:"author_email"`
	Repository  string `json:"repository"`
	Timestamp   string `json:"timestamp"`

	at time.Time
}

type sentRef struct {
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}

type sentDeploy struct {
	Environment  string  `json:"environment"`
	Name         *string `json:"name"`
	URL          *string `json:"url"`
	DateStarted  *string `json:"dateStarted"`
	DateFinished *string `json:"dateFinished"`
}

// check reads the times and refuses what is wrong.
func (u *releaseUpdate) check(now time.Time) (err error) {
	if len(u.Commits) > maxCommits {
		return badField("commits", fmt.Sprintf("There are more than %d commits.", maxCommits))
	}
	for _, ref := range u.Refs {
		return badField("refs", fmt.Sprintf("Invalid repository names: %s. No repository is connected; send the commits instead.", payload.Clip(ref.Repository, 100)))
	}
	if u.DateReleased != nil && *u.DateReleased != "" {
		if u.released, err = parseTime("dateReleased", *u.DateReleased); err != nil {
			return badField("dateReleased", "Datetime has wrong format.")
		}
	}
	for i := range u.Commits {
		c := &u.Commits[i]
		c.ID = payload.ScrubText(c.ID)
		if c.ID == "" || len(c.ID) > 64 {
			return badField("commits", fmt.Sprintf("Commit %d has no id of at most 64 characters.", i+1))
		}
		c.at = now
		if c.Timestamp != "" {
			if c.at, err = parseTime("timestamp", c.Timestamp); err != nil {
				return badField("commits", fmt.Sprintf("Commit %d has a timestamp in the wrong format.", i+1))
			}
		}
		for _, text := range []*string{&c.AuthorName, &c.AuthorEmail, &c.Repository} {
			*text = payload.Clip(payload.ScrubText(*text), maxVersion)
		}
		c.Message = payload.Clip(payload.ScrubText(c.Message), maxMessage)
	}
	return nil
}

// checkVersion refuses what Sentry takes for no version.
func checkVersion(version string) error {
	switch {
	case version == "":
		return badField("version", "This field is required.")
	case len([]rune(version)) > maxVersion:
		return badField("version", fmt.Sprintf("Ensure this field has no more than %d characters.", maxVersion))
	case strings.TrimSpace(version) == "", version == ".", version == "..", version == "latest", strings.ContainsAny(version, "\r\n\f\t/\\"):
		return badField("version", fmt.Sprintf("Release with name %s is not allowed", version))
	}
	return nil
}

// projectsNamed are the projects of an update, which have to be some.
func (r *request) projectsNamed(names []json.RawMessage) ([]int64, error) {
	if r.project.id != 0 {
		return []int64{r.project.id}, nil
	}
	if len(names) == 0 {
		return nil, badField("projects", "This field is required.")
	}
	all, err := r.sb.projectsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, name := range names {
		i := indexProject(all, strings.Trim(string(name), `"`))
		if i < 0 {
			return nil, badField("projects", "Invalid project ids or slugs")
		}
		ids = append(ids, all[i].id)
	}
	return ids, nil
}

// createRelease makes a release, or changes one that is there: then the answer
// is 208.
func createRelease(r *request) (any, error) {
	var u releaseUpdate
	if err := r.decode(&u); err != nil {
		return nil, err
	}
	if err := checkVersion(u.Version); err != nil {
		return nil, err
	}
	projects, err := r.projectsNamed(u.Projects)
	if err != nil {
		return nil, err
	}
	now := r.sb.now()
	if err := u.check(now); err != nil {
		return nil, err
	}
	r.status = http.StatusAlreadyReported
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		res, err := tx.ExecContext(r.Context(), "INSERT INTO release(org, version, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", r.org.id, u.Version, seconds(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			r.status = http.StatusCreated
		}
		for _, project := range projects {
			if err := seenRelease(r.Context(), tx, r.org.id, project, u.Version, seconds(now), false); err != nil {
				return err
			}
		}
		return u.apply(r.Context(), tx, r.org.id)
	})
	if err != nil {
		return nil, err
	}
	return r.releaseAnswer(u.Version)
}

func updateRelease(r *request) (any, error) {
	var u releaseUpdate
	if err := r.decode(&u); err != nil {
		return nil, err
	}
	v, err := r.release()
	if err != nil {
		return nil, err
	}
	u.Version = v.version
	if err := u.check(r.sb.now()); err != nil {
		return nil, err
	}
	if err := r.sb.write(r.Context(), func(tx *sql.Tx) error { return u.apply(r.Context(), tx, r.org.id) }); err != nil {
		return nil, err
	}
	return r.releaseAnswer(u.Version)
}

// apply stores what the update says of the release, which has to be there.
func (u *releaseUpdate) apply(ctx context.Context, q querier, org int64) error {
	var id int64
	if err := q.QueryRowContext(ctx, "SELECT id FROM release WHERE org = ? AND version = ?", org, u.Version).Scan(&id); err != nil {
		return err
	}
	text := func(s *string) sql.NullString {
		if s == nil {
			return sql.NullString{}
		}
		return sql.NullString{String: payload.Clip(payload.ScrubText(*s), maxMessage), Valid: true}
	}
	released := sql.NullFloat64{Float64: seconds(u.released), Valid: !u.released.IsZero()}
	_, err := q.ExecContext(ctx, "UPDATE release SET ref = coalesce(?, ref), url = coalesce(?, url), released = coalesce(?, released) WHERE id = ?",
		text(u.Ref), text(u.URL), released, id)
	if err != nil {
		return err
	}
	if u.Commits != nil {
		if _, err := q.ExecContext(ctx, "DELETE FROM release_commit WHERE release = ?", id); err != nil {
			return err
		}
	}
	for n, c := range u.Commits {
		_, err := q.ExecContext(ctx, `INSERT INTO release_commit(release, n, id, message, author_name, author_email, repository, ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			id, n, c.ID, c.Message, c.AuthorName, c.AuthorEmail, c.Repository, seconds(c.at))
		if err != nil {
			return err
		}
	}
	if len(u.Commits) > 0 {
		if err := forget(ctx, q, org, id); err != nil {
			return err
		}
	}
	return outgrow(ctx, q)
}

// forget deletes the commits of older releases than the newest with so many, but
// not those of the release that is being told of. A release has as many commits
// as the number of its last one tells, which is found without reading them all.
func forget(ctx context.Context, q querier, org, release int64) error {
	_, err := q.ExecContext(ctx, `DELETE FROM release_commit WHERE release IN (SELECT id FROM (
		SELECT r.id, sum(coalesce((SELECT max(n) + 1 FROM release_commit c WHERE c.release = r.id), 0)) OVER (ORDER BY r.id = ?2 DESC, r.created DESC, r.id DESC) AS total
		FROM release r WHERE r.org = ?1) WHERE total > ?3)`, org, release, maxHistory)
	return err
}

// outgrow notes that there is more now than the seed, where no new row of a
// growing table tells.
func outgrow(ctx context.Context, q querier) error {
	_, err := q.ExecContext(ctx, "UPDATE seeding SET item = -1 WHERE item <> -1")
	return err
}

func (r *request) releaseAnswer(version string) (any, error) {
	r.SetPathValue("version", version)
	return getRelease(r)
}

func createDeploy(r *request) (any, error) {
	var sent sentDeploy
	if err := r.decode(&sent); err != nil {
		return nil, err
	}
	v, err := r.release()
	if err != nil {
		return nil, err
	}
	d, err := sent.check(v.id, r.sb.now())
	if err != nil {
		return nil, err
	}
	if err := r.sb.write(r.Context(), func(tx *sql.Tx) error { return d.insert(r.Context(), tx) }); err != nil {
		return nil, err
	}
	r.status = http.StatusCreated
	return d.json(), nil
}

func (sent sentDeploy) check(release int64, now time.Time) (d deploy, err error) {
	d = deploy{release: release, environment: sent.Environment, finished: seconds(now)}
	if d.environment == "" {
		return d, badField("environment", "This field is required.")
	}
	if len([]rune(d.environment)) > 64 || strings.ContainsAny(d.environment, "\r\n\f\t/") {
		return d, badField("environment", "Environment names have at most 64 characters, and no slashes or newlines.")
	}
	for from, into := range map[*string]*string{sent.Name: &d.name, sent.URL: &d.url} {
		if from != nil {
			*into = payload.Clip(payload.ScrubText(*from), maxVersion)
		}
	}
	if sent.DateStarted != nil {
		t, err := parseTime("dateStarted", *sent.DateStarted)
		if err != nil {
			return d, badField("dateStarted", "Datetime has wrong format.")
		}
		d.started = sql.NullFloat64{Float64: seconds(t), Valid: true}
	}
	if sent.DateFinished != nil {
		t, err := parseTime("dateFinished", *sent.DateFinished)
		if err != nil {
			return d, badField("dateFinished", "Datetime has wrong format.")
		}
		d.finished = seconds(t)
	}
	return d, nil
}

func (d *deploy) insert(ctx context.Context, q querier) error {
	err := q.QueryRowContext(ctx, "INSERT INTO deploy(release, environment, name, url, started, finished) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
		d.release, d.environment, d.name, d.url, d.started, d.finished).Scan(&d.id)
	if err != nil {
		return err
	}
	// As with attachments, no program that repeats itself fills the disk.
	for which, most := range map[string]int{"release = ?1": maxCommits, "release IN (SELECT id FROM release WHERE org = (SELECT org FROM release WHERE id = ?1))": maxHistory} {
		_, err = q.ExecContext(ctx, "DELETE FROM deploy WHERE id IN (SELECT id FROM deploy WHERE "+which+" ORDER BY finished DESC, id DESC LIMIT -1 OFFSET ?2)", d.release, most)
		if err != nil {
			return err
		}
	}
	return outgrow(ctx, q)
}

// seenRelease notes that a release was seen in a project, by an event or
// otherwise.
func seenRelease(ctx context.Context, q querier, org, project int64, version string, at float64, event bool) error {
	when := sql.NullFloat64{Float64: at, Valid: event}
	_, err := q.ExecContext(ctx, `INSERT INTO release_project(release, project, first, last, first_event, last_event)
		SELECT id, ?1, ?2, ?2, ?5, ?5 FROM release WHERE org = ?3 AND version = ?4
		ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last),
			first_event = min(coalesce(first_event, excluded.first_event), coalesce(excluded.first_event, first_event)),
			last_event = max(coalesce(last_event, excluded.last_event), coalesce(excluded.last_event, last_event))`, project, at, org, version, when)
	return err
}

// retainReleases deletes the releases of which nothing was seen for as long as
// items are kept, and those beyond the newest, unless an issue began in one.
func (s *Sandbox) retainReleases(ctx context.Context, tx *sql.Tx, project int64) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM release_project WHERE project = ?1 AND release IN (
			SELECT rp.release FROM release_project rp JOIN release r ON r.id = rp.release WHERE rp.project = ?1
			AND (rp.last < ?2 OR rp.release IN (SELECT release FROM release_project WHERE project = ?1 ORDER BY last DESC, release DESC LIMIT -1 OFFSET ?4))
			AND r.version NOT IN (SELECT i.first_release FROM issue i WHERE i.project = ?1) LIMIT ?3)`,
		project, seconds(s.now().Add(-keepFor)), retainBatch, maxReleases)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return n, err
	}
	const gone = "release IN (SELECT id FROM release r WHERE NOT EXISTS (SELECT 1 FROM release_project rp WHERE rp.release = r.id))"
	for _, statement := range []string{"DELETE FROM release_commit WHERE " + gone, "DELETE FROM deploy WHERE " + gone,
		"DELETE FROM release WHERE NOT EXISTS (SELECT 1 FROM release_project rp WHERE rp.release = release.id)"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	return n, nil
}
