package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

func (s *Sandbox) profileRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /projects/{org}/{project}/profiling/profiles/{profile}/", "project:read", getProfile)
	reg("GET /organizations/{org}/profiling/flamegraph/", "org:read", getFlamegraph)
	reg("GET /organizations/{org}/profiling/chunks/", "org:read", getChunks)
}

// getProfile hands out the profile of a transaction. A chunk has an endpoint of
// its own.
func getProfile(r *request) (any, error) {
	var sp storedProfile
	err := sp.scan(r.sb.read().QueryRowContext(r.Context(), "SELECT "+profileColumns("0, 0, ''")+
		` FROM item it WHERE it.event_id = ? AND it.event_id <> '' AND it.kind = 'profile' AND it.project = ? AND it.attrs ->> '$."profile.id"' <> ''`,
		payload.HexID(r.PathValue("profile"), 32), r.project.id).Scan)
	if err != nil {
		return nil, orNotFound(err)
	}
	p, _, err := sp.read()
	if err != nil {
		return nil, err
	}
	p.About["profile_id"] = p.ID
	if version := payload.Text(p.About["release"]); version != "" {
		p.About["release"] = payload.Object{"version": version}
	}
	return profileJSON(p, r.org, r.project.id)
}

func profileJSON(p *payload.Profile, o org, project int64) (json.RawMessage, error) {
	p.About["organization_id"], p.About["project_id"] = o.id, project
	return p.Body()
}

var flamegraphSources = []string{"", "transactions", "profiles", "spans"}

// getFlamegraph adds up the newest profiles for which the query holds. Unless
// they are asked for as such, that is the profiles of transactions, and what was
// recorded all the time while transactions ran for which it holds.
func getFlamegraph(r *request) (any, error) {
	q := r.URL.Query()
	source := q.Get("dataSource")
	switch {
	case source == "functions" || q.Get("fingerprint") != "":
		return nil, badRequest("The sandbox makes no flamegraphs of single functions. Leave out fingerprint, and take transactions, profiles or spans as dataSource.")
	case !slices.Contains(flamegraphSources, source):
		return nil, &apiError{http.StatusBadRequest, map[string][]string{"dataSource": {strconv.Quote(payload.Clip(source, 50)) + " is not a valid choice."}}}
	}
	env, err := r.searchEnv(eventsPeriod)
	if err != nil {
		return nil, err
	}
	g := payload.NewFlamegraph()
	about := payload.Object{"platform": "", "projectID": 0}
	if len(env.Projects) > 0 {
		about["projectID"] = env.Projects[0]
	}
	add := func(sp *storedProfile, p *payload.Profile) {
		if about["platform"] == "" {
			about["platform"], about["projectID"] = payload.Text(p.About["platform"]), sp.project
		}
		if name := payload.TextAt(p.About, "transaction", "name"); about["transactionName"] == nil && name != "" {
			about["transactionName"] = name
		}
		g.Add(p, sp.window, sp.ref(p))
	}
	if source == "profiles" {
		err = r.directProfiles(add, q.Get("query"), env, "1")
	} else if err = r.directProfiles(add, q.Get("query"), env, `it.attrs ->> '$."profile.id"' <> ''`); err == nil {
		err = r.recordedProfiles(add, q.Get("query"), env)
	}
	if err != nil {
		return nil, err
	}
	out := g.JSON()
	maps.Copy(out, about)
	out["metadata"] = about
	return out, nil
}

// ref is how a flamegraph names what it is made of.
func (sp *storedProfile) ref(p *payload.Profile) payload.Object {
	out := payload.Object{"project_id": sp.project, "start": seconds(p.Start), "end": seconds(p.End)}
	if p.Profiler == "" {
		out["profile_id"] = p.ID
		return out
	}
	out["profiler_id"], out["chunk_id"] = p.Profiler, p.ID
	if sp.window.Thread != "" {
		out["thread_id"] = sp.window.Thread
	}
	return out
}

// directProfiles uses the profiles for which the query holds.
func (r *request) directProfiles(use func(*storedProfile, *payload.Profile), text string, env query.Env, and string) error {
	cond, err := query.ParseEvents("profiles", text, env)
	if err != nil {
		return badQuery(err)
	}
	where, args := cond.SQL()
	return r.profiles(use, "SELECT "+profileColumns("0, 0, ''")+" FROM item it JOIN project p ON p.id = it.project WHERE "+where+
		" AND "+and+" ORDER BY it.ts DESC, it.id DESC LIMIT ?", append(args, maxProfiles))
}

// recordedProfiles uses the parts of chunks that were recorded while the
// transactions ran for which the query holds.
func (r *request) recordedProfiles(use func(*storedProfile, *payload.Profile), text string, env query.Env) error {
	cond, err := query.ParseEvents("spans", text, env)
	if err != nil {
		return badQuery(err)
	}
	where, args := cond.SQL()
	return r.profiles(use, "SELECT "+profileColumns("s.start, s.finish, s.thread")+` FROM (
		SELECT it.project, it.attrs ->> '$."profiler.id"' AS profiler, it.attrs ->> '$."precise.start_ts"' AS start,
			it.attrs ->> '$."precise.finish_ts"' AS finish, coalesce(it.attrs ->> '$."thread.id"', '') AS thread
		FROM item it JOIN project p ON p.id = it.project WHERE `+where+` AND it.attrs ->> '$."is_transaction"' AND it.attrs ->> '$."profiler.id"' <> ''
		ORDER BY it.ts DESC, it.id DESC LIMIT ?) s
		JOIN item it ON it.kind = 'profile' AND it.project = s.project AND it.attrs ->> '$."profiler.id"' = s.profiler
			AND it.ts <= s.finish AND it.attrs ->> '$."precise.finish_ts"' >= s.start
		ORDER BY it.ts DESC, it.id DESC LIMIT ?`, append(args, maxProfiles, maxProfiles))
}

// getChunks hands out what a profiler recorded in the time range, as one chunk.
func getChunks(r *request) (any, error) {
	projects, err := r.projectIDs()
	if err != nil {
		return nil, err
	}
	profiler := payload.HexID(r.URL.Query().Get("profiler_id"), 32)
	switch {
	case len(projects) != 1:
		return nil, badRequest("one project_id must be specified.")
	case profiler == "":
		return nil, badRequest("profiler_id must be specified, as 32 hex digits.")
	}
	from, to, err := r.timeRange(eventsPeriod)
	if err != nil {
		return nil, err
	}
	var chunks []*payload.Profile
	err = r.profiles(func(_ *storedProfile, p *payload.Profile) { chunks = append(chunks, p) }, "SELECT "+profileColumns("0, 0, ''")+` FROM item it
		WHERE it.kind = 'profile' AND it.project = ? AND it.attrs ->> '$."profiler.id"' = ? AND it.ts <= ? AND it.attrs ->> '$."precise.finish_ts"' >= ?
		ORDER BY it.ts, it.id LIMIT ?`, []any{projects[0], profiler, seconds(to), seconds(from), maxProfiles})
	if err != nil {
		return nil, err
	}
	if len(chunks) == 0 {
		return payload.Object{"chunk": nil}, nil
	}
	chunk, err := profileJSON(payload.MergeChunks(chunks), r.org, projects[0])
	return payload.Object{"chunk": chunk}, err
}
