package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"roundhouse/sandbox/payload"
)

// commit is one of those that made a release.
type commit struct {
	release                                int64
	id, message, authorName, authorEmail   string
	repository                             string
	ts                                     float64
	userID, userEmail, userName, userLogin sql.NullString // the author, if a member of the organization
}

const commitColumns = `c.release, c.id, c.message, c.author_name, c.author_email, c.repository, c.ts, u.id, u.email, u.name, u.username
	FROM release_commit c JOIN release r ON r.id = c.release
	LEFT JOIN user u ON u.email = c.author_email COLLATE NOCASE AND EXISTS (SELECT 1 FROM member m WHERE m.user = u.id AND m.org = r.org) `

func scanCommit(rows *sql.Rows) (c commit, err error) {
	return c, rows.Scan(&c.release, &c.id, &c.message, &c.authorName, &c.authorEmail, &c.repository, &c.ts, &c.userID, &c.userEmail, &c.userName, &c.userLogin)
}

func (c commit) json() map[string]any {
	var repository any
	if c.repository != "" {
		repository = map[string]any{"id": c.repository, "name": c.repository, "url": nil, "provider": map[string]any{"id": "unknown", "name": "Unknown Provider"}, "status": "active"}
	}
	return map[string]any{
		"id": c.id, "message": orNil(c.message), "dateCreated": stamp(c.ts), "author": c.author(), "repository": repository,
		"pullRequest": nil, "suspectCommitType": "",
	}
}

// author is a user of the organization, or else only a name and an address.
func (c commit) author() any {
	if c.userID.Valid {
		return map[string]any{"id": c.userID.String, "name": c.userName.String, "username": c.userLogin.String, "email": c.userEmail.String}
	}
	if c.authorName == "" && c.authorEmail == "" {
		return nil
	}
	return map[string]any{"name": orNil(c.authorName), "email": orNil(c.authorEmail)}
}

// deploy says when a release came to an environment.
type deploy struct {
	id, release            int64
	environment, name, url string
	started                sql.NullFloat64
	finished               float64
}

const deployColumns = "d.id, d.release, d.environment, d.name, d.url, d.started, d.finished FROM deploy d "

func (d *deploy) fields() []any {
	return []any{&d.id, &d.release, &d.environment, &d.name, &d.url, &d.started, &d.finished}
}

func scanDeploy(rows *sql.Rows) (d deploy, err error) { return d, rows.Scan(d.fields()...) }

func (d deploy) json() map[string]any {
	return map[string]any{
		"id": strconv.FormatInt(d.id, 10), "environment": d.environment, "name": orNil(d.name), "url": orNil(d.url),
		"dateStarted": stampOrNil(d.started), "dateFinished": stamp(d.finished),
	}
}

// seenWhole are those of the releases ?1 that are of no project that the user
// ?2 does not see. Commits and deploys are of no single project, and an event
// can name any release: who sees one of several projects is not told of them.
const seenWhole = ` IN (SELECT value FROM json_each(?1) WHERE NOT EXISTS (
	SELECT 1 FROM release_project rp WHERE rp.release = value AND rp.project NOT IN (SELECT project FROM access WHERE user = ?2))) `

func listCommits(r *request) (any, error) {
	return listOfRelease(r, scanCommit, commit.json, "SELECT "+commitColumns+"WHERE c.release"+seenWhole+"ORDER BY c.n")
}

// listDeploys lists the latest first.
func listDeploys(r *request) (any, error) {
	return listOfRelease(r, scanDeploy, deploy.json, "SELECT "+deployColumns+"WHERE d.release"+seenWhole+"ORDER BY d.finished DESC, d.id DESC")
}

func listOfRelease[T any](r *request, scan func(*sql.Rows) (T, error), show func(T) map[string]any, statement string) (any, error) {
	v, err := r.release()
	if err != nil {
		return nil, err
	}
	all, err := paged(r, scan, statement, fmt.Sprintf("[%d]", v.id), r.user.ID)
	if err != nil {
		return nil, err
	}
	return each(all, show), nil
}

// history is what is known of how releases came to be.
type history struct {
	commits, deploys map[int64]int64
	last             map[int64]commit
	authors          map[int64][]any
	deploy           map[int64]deploy
}

const maxAuthors = 100 // of one release

// historyOf reads the history of some releases, as far as the user may see it.
func (s *Sandbox) historyOf(ctx context.Context, user int64, releases []int64) (h history, err error) {
	raw, err := json.Marshal(releases)
	if err != nil {
		return h, err
	}
	list := string(raw)
	h = history{last: map[int64]commit{}, authors: map[int64][]any{}, deploy: map[int64]deploy{}}
	if h.commits, err = s.counts(ctx, "SELECT release, count(*) FROM release_commit WHERE release"+seenWhole+"GROUP BY release", list, user); err != nil {
		return h, err
	}
	if h.deploys, err = s.counts(ctx, "SELECT release, count(*) FROM deploy WHERE release"+seenWhole+"GROUP BY release", list, user); err != nil {
		return h, err
	}
	authors, err := collect(ctx, s.read(), scanCommit, "SELECT "+commitColumns+"WHERE c.release"+seenWhole+"GROUP BY c.release, lower(c.author_email) ORDER BY c.release, min(c.n)", list, user)
	if err != nil {
		return h, err
	}
	for _, c := range authors {
		if a := c.author(); a != nil && len(h.authors[c.release]) < maxAuthors {
			h.authors[c.release] = append(h.authors[c.release], a)
		}
	}
	last, err := collect(ctx, s.read(), scanCommit, "SELECT "+commitColumns+"WHERE c.release"+seenWhole+"AND c.n = 0", list, user)
	for _, c := range last {
		h.last[c.release] = c
	}
	if err != nil {
		return h, err
	}
	deploys, err := collect(ctx, s.read(), scanDeploy, "SELECT "+deployColumns+"WHERE d.release"+seenWhole+"ORDER BY d.finished, d.id", list, user)
	for _, d := range deploys {
		h.deploy[d.release] = d
	}
	return h, err
}

// counts reads pairs of an id and a number.
func (s *Sandbox) counts(ctx context.Context, query string, args ...any) (map[int64]int64, error) {
	pairs, err := collect(ctx, s.read(), func(rows *sql.Rows) (p [2]int64, err error) { return p, rows.Scan(&p[0], &p[1]) }, query, args...)
	out := map[int64]int64{}
	for _, p := range pairs {
		out[p[0]] = p[1]
	}
	return out, err
}

// describe adds what is known of a release to its answer.
func (h history) describe(release int64, out map[string]any) {
	out["commitCount"], out["deployCount"], out["authors"] = h.commits[release], h.deploys[release], append([]any{}, h.authors[release]...)
	out["lastCommit"], out["lastDeploy"] = nil, nil
	if c, ok := h.last[release]; ok {
		out["lastCommit"] = c.json()
	}
	if d, ok := h.deploy[release]; ok {
		out["lastDeploy"] = d.json()
	}
}

// describeReleases tells, in the answers for events, of the commits behind
// their releases.
func (r *request) describeReleases(events ...map[string]any) error {
	known := map[any]map[string]any{}
	for _, ev := range events {
		out, ok := ev["release"].(payload.Object)
		if !ok {
			continue
		}
		if known[out["version"]] == nil {
			if err := r.describeRelease(out); err != nil {
				return err
			}
			known[out["version"]] = out
		}
		ev["release"] = known[out["version"]]
	}
	return nil
}

func (r *request) describeRelease(out map[string]any) error {
	var v release
	err := r.sb.read().QueryRowContext(r.Context(), "SELECT id, created, released FROM release WHERE org = ? AND version = ?", r.org.id, out["version"]).
		Scan(&v.id, &v.created, &v.released)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := r.sb.historyOf(r.Context(), r.user.ID, []int64{v.id})
	if err != nil {
		return err
	}
	h.describe(v.id, out)
	out["id"], out["dateCreated"], out["dateReleased"] = strconv.FormatInt(v.id, 10), stamp(v.created), stampOrNil(v.released)
	return nil
}
