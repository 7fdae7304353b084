package sandbox

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

// release is a version of what some projects of an organization run.
type release struct {
	id                    int64
	version, ref, url     string
	created               float64
	first, last, released sql.NullFloat64 // first and last event in the projects asked for
}

func (s *Sandbox) releaseRoutes(reg func(pattern, scope string, h handler)) {
	const read, change = "project:read|project:releases|org:ci", "project:write|project:releases|org:ci"
	for _, in := range []string{"/organizations/{org}", "/projects/{org}/{project}"} {
		reg("GET "+in+"/releases/", read, listReleases)
		reg("POST "+in+"/releases/", change, createRelease)
		reg("GET "+in+"/releases/{version}/", read, getRelease)
		reg("PUT "+in+"/releases/{version}/", change, updateRelease)
		reg("GET "+in+"/releases/{version}/commits/", read, listCommits)
	}
	reg("GET /organizations/{org}/releases/{version}/deploys/", read, listDeploys)
	reg("POST /organizations/{org}/releases/{version}/deploys/", change, createDeploy)
}

// releasesIn selects releases that were seen in some of the projects ?1.
const releasesIn = `SELECT r.id, r.version, r.ref, r.url, r.created, r.released, min(rp.first_event), max(rp.last_event) FROM release r JOIN release_project rp ON rp.release = r.id
	WHERE rp.project IN (SELECT value FROM json_each(?1)) AND r.org = ?2 `

func scanRelease(rows *sql.Rows) (v release, err error) {
	return v, rows.Scan(&v.id, &v.version, &v.ref, &v.url, &v.created, &v.released, &v.first, &v.last)
}

// releaseArgs are those of releasesIn, and others.
func (r *request) releaseArgs(others ...any) ([]any, error) {
	ids, err := r.projectIDs()
	if err != nil {
		return nil, err
	}
	projects, err := json.Marshal(ids)
	return append([]any{string(projects), r.org.id}, others...), err
}

// listReleases lists the newest first.
func listReleases(r *request) (any, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	args, err := r.releaseArgs(r.text("query"), limit+1, offset)
	if err != nil {
		return nil, err
	}
	found, err := searched(r, scanRelease, releasesIn+`AND instr(lower(r.version), ?3)
		GROUP BY r.id ORDER BY coalesce(r.released, r.created) DESC, r.id DESC LIMIT ?4 OFFSET ?5`, args)
	if err != nil {
		return nil, err
	}
	return r.releasesJSON(cut(r, found, limit, offset))
}

// release looks up {version} of the path.
func (r *request) release() (release, error) {
	args, err := r.releaseArgs(r.PathValue("version"))
	if err != nil {
		return release{}, err
	}
	found, err := collect(r.Context(), r.sb.read(), scanRelease, releasesIn+"AND r.version = ?3 GROUP BY r.id", args...)
	if err != nil {
		return release{}, err
	}
	if len(found) == 0 {
		return release{}, notFound()
	}
	return found[0], nil
}

func getRelease(r *request) (any, error) {
	v, err := r.release()
	if err != nil {
		return nil, err
	}
	out, err := r.releasesJSON([]release{v})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// inProject says how a release went in a project.
type inProject struct {
	release, project, issues int64 // issues that were first seen in it
}

func scanInProject(rows *sql.Rows) (p inProject, err error) {
	return p, rows.Scan(&p.release, &p.project, &p.issues)
}

func (r *request) releasesJSON(releases []release) ([]map[string]any, error) {
	ids := make([]int64, len(releases))
	for i, v := range releases {
		ids[i] = v.id
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	seen, err := searched(r, scanInProject, `WITH new AS MATERIALIZED (
			SELECT i.project, i.first_release AS version, count(*) AS n FROM issue i JOIN project p ON p.id = i.project
			WHERE p.org = ?2 AND i.first_release <> '' GROUP BY 1, 2)
		SELECT rp.release, rp.project, coalesce(new.n, 0) FROM release_project rp JOIN release r ON r.id = rp.release
		LEFT JOIN new ON new.project = rp.project AND new.version = r.version
		WHERE rp.release IN (SELECT value FROM json_each(?1)) ORDER BY rp.release, rp.project`, []any{string(list), r.org.id})
	if err != nil {
		return nil, err
	}
	projects, err := r.sb.projectsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	asked, err := r.projectIDs()
	if err != nil {
		return nil, err
	}
	past, err := r.sb.historyOf(r.Context(), r.user.ID, ids)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	stages := q.Get("adoptionStages") == "1"
	well, err := r.readHealth(projects, stages || q.Get("health") == "1")
	if err != nil {
		return nil, err
	}
	return each(releases, func(v release) map[string]any {
		out := v.json(seen, projects, asked, well)
		past.describe(v.id, out)
		if stages {
			out["adoptionStages"] = well.stages(v.version, out["projects"])
		}
		return out
	}), nil
}

// json names all projects of the release with its health there, and counts the
// issues in those that were asked for.
func (v release) json(seen []inProject, projects []project, asked []int64, well health) map[string]any {
	in, issues := []any{}, int64(0)
	for _, s := range seen {
		if s.release != v.id {
			continue
		}
		if ref, ok := projectRef(projects, s.project).(map[string]any); ok {
			ref["newGroups"] = s.issues
			well.describe(ref, s.project, v.version)
			in = append(in, ref)
			if slices.Contains(asked, s.project) {
				issues += s.issues
			}
		}
	}
	short := shortVersion(v.version)
	name := strings.TrimSuffix(strings.TrimSuffix(v.version, short), "@")
	return map[string]any{
		"id": strconv.FormatInt(v.id, 10), "version": v.version, "shortVersion": short, "status": "open",
		"versionInfo": payload.Object{"package": orNil(name), "description": short, "version": payload.Object{"raw": short}},
		"dateCreated": stamp(v.created), "dateReleased": stampOrNil(v.released), "firstEvent": stampOrNil(v.first), "lastEvent": stampOrNil(v.last),
		"newGroups": issues, "projects": in, "ref": orNil(v.ref), "url": orNil(v.url),
	}
}

// shortVersion is a version without the name of what it is a version of.
func shortVersion(version string) string { return version[strings.LastIndex(version, "@")+1:] }
