package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxUptimeURL     = 255
	writeUptime      = "project:write|alerts:write"
	maxUptimeRequest = 1000 // bytes of headers and body together
)

var (
	uptimeIntervals = []int{60, 300, 600, 1200, 1800, 3600}
	uptimeMethods   = []string{"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"}
)

// uptime is a monitor of a URL, as it is kept and as a request gives it. The
// sandbox asks for no URL, ever.
type uptime struct {
	Name        string     `json:"name"`
	URL         string     `json:"url"`
	Interval    int        `json:"intervalSeconds"`
	Timeout     int        `json:"timeoutMs"`
	Method      string     `json:"method"`
	Headers     [][]string `json:"headers"`
	Body        *string    `json:"body"`
	Status      string     `json:"status"`
	Owner       *string    `json:"owner"`
	Environment *string    `json:"environment"`
	Tracing     bool       `json:"traceSampling"`
	Capture     bool       `json:"responseCaptureEnabled"`
	Recovery    int        `json:"recoveryThreshold"`
	Downtime    int        `json:"downtimeThreshold"`
}

func (s *Sandbox) uptimeRoutes(reg func(pattern, scope string, h handler)) {
	const all, read = "/projects/{org}/{project}/uptime/", "project:read|alerts:read"
	reg("GET /organizations/{org}/uptime/", "org:read|alerts:read", listUptime)
	settingKind[uptime, *uptime]{
		name: uptimeKind, path: all, read: read, write: writeUptime, show: (*request).uptimeJSON,
		fresh: uptime{Timeout: 5000, Method: "GET", Status: active, Capture: true, Recovery: 1, Downtime: 3},
		made:  http.StatusCreated, gone: http.StatusAccepted,
	}.routes(reg)
	reg("GET "+all+"{setting}/checks/", read, listUptimeChecks)
}

func (u *uptime) settle(r *request, t *setting) (err error) {
	if t.name, err = nameIn("name", u.Name, 128); err != nil {
		return err
	}
	u.Name = t.name
	if to, err := url.Parse(u.URL); err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" || len(u.URL) > maxUptimeURL {
		return badField("url", fmt.Sprintf("Enter a valid http or https URL of at most %d characters.", maxUptimeURL))
	}
	if !slices.Contains(uptimeIntervals, u.Interval) {
		return badField("intervalSeconds", fmt.Sprintf("%d is not a valid choice. It must be one of %s.", u.Interval, numbers(uptimeIntervals)))
	}
	if u.Timeout < 1000 || u.Timeout > 60_000 {
		return badField("timeoutMs", "It must be from 1000 to 60000.")
	}
	if !slices.Contains(uptimeMethods, u.Method) {
		return badField("method", fmt.Sprintf("%q is not a valid choice. It must be one of %s.", payload.Clip(u.Method, 50), strings.Join(uptimeMethods, ", ")))
	}
	if u.Status != active && u.Status != disabled {
		return badField("status", "It must be active or disabled.")
	}
	if u.Recovery < 1 || u.Recovery > 720 || u.Downtime < 1 || u.Downtime > 720 {
		return badField("downtimeThreshold", "Thresholds must be from 1 to 720.")
	}
	if u.Environment != nil && len(*u.Environment) > 64 {
		return badField("environment", "Ensure this field has no more than 64 characters.")
	}
	if err := u.size(); err != nil {
		return err
	}
	if u.Owner != nil {
		return r.actor(*u.Owner)
	}
	return nil
}

func (u *uptime) size() error {
	size := 0
	for _, h := range u.Headers {
		if len(h) != 2 || h[0] == "" || strings.ContainsAny(h[0]+h[1], "\r\n") {
			return badField("headers", "Expected pairs of a name and a value, each in one line.")
		}
		size += len(h[0]) + len(h[1])
	}
	if u.Body != nil {
		size += len(*u.Body)
	}
	if size > maxUptimeRequest {
		return badRequest("Request is too large, max size is %d bytes", maxUptimeRequest)
	}
	return nil
}

func numbers(all []int) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ", ")
}

// listUptime finds monitors by their names and by their URLs as they are shown:
// a search must not tell what is hidden.
func listUptime(r *request) (any, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	envs, err := json.Marshal(r.environments())
	if err != nil {
		return nil, err
	}
	owners, err := r.owners()
	if err != nil {
		return nil, err
	}
	all, err := r.settings(`["`+uptimeKind+`"]`, `(?6 = 'null' OR s.body ->> '$.environment' IN (SELECT value FROM json_each(?6)))
		AND (?7 = 'null' OR coalesce(s.body ->> '$.owner', '') IN (SELECT value FROM json_each(?7)))`, "s.name COLLATE NOCASE, s.id",
		maxSettings, 0, string(envs), owners)
	if err != nil {
		return nil, err
	}
	wanted := r.text("query")
	found := slices.DeleteFunc(all, func(t setting) bool {
		u, err := r.uptime(t)
		return err == nil && !strings.Contains(strings.ToLower(t.name), wanted) && !strings.Contains(strings.ToLower(u.URL), wanted)
	})
	found = found[min(offset, len(found)):]
	return showSetting((*request).uptimeJSON).each(r, cut(r, found[:min(limit+1, len(found))], limit, offset))
}

// owners reads ?owner=, repeated: an actor, unassigned, or myteams. It is JSON,
// null for all.
func (r *request) owners() (string, error) {
	var out []string
	for _, owner := range nonEmpty(r.URL.Query()["owner"]) {
		switch owner {
		case "unassigned":
			owner = ""
		case "me":
			owner = "user:" + strconv.FormatInt(r.user.ID, 10)
		case "myteams":
			mine, err := collect(r.Context(), r.sb.read(), scanID, "SELECT t.id FROM team t JOIN team_member m ON m.team = t.id WHERE t.org = ? AND m.user = ?", r.org.id, r.user.ID)
			if err != nil {
				return "", err
			}
			for _, id := range mine {
				out = append(out, "team:"+strconv.FormatInt(id, 10))
			}
			owner = "user:" + strconv.FormatInt(r.user.ID, 10)
		}
		out = append(out, owner)
	}
	raw, err := json.Marshal(out)
	return string(raw), err
}

// hideSecrets keeps from those who may not write the monitor what could let them
// in where it looks.
func (u *uptime) hideSecrets() {
	u.URL = payload.ScrubText(u.URL)
	for _, h := range u.Headers {
		h[1] = payload.Filtered
	}
	if u.Body != nil {
		*u.Body = payload.Filtered
	}
}

// uptime is what the user may know of one.
func (r *request) uptime(t setting) (uptime, error) {
	u, err := bodyOf[uptime](t)
	if !r.scopes.has(writeUptime) || !roleAllows(r.org.role, writeUptime) {
		u.hideSecrets()
	}
	return u, err
}

// uptimeJSON shows one that has never failed, since it has never run.
func (r *request) uptimeJSON(t setting) (map[string]any, error) {
	u, err := r.uptime(t)
	if err != nil {
		return nil, err
	}
	slugs, err := r.slugs(t)
	if err != nil {
		return nil, err
	}
	var owner any
	if u.Owner != nil {
		if owner, err = r.ownerJSON(*u.Owner); err != nil {
			return nil, err
		}
	}
	if u.Headers == nil {
		u.Headers = [][]string{}
	}
	return map[string]any{
		"id": strconv.FormatInt(t.id, 10), "detectorId": strconv.FormatInt(t.id, 10), "projectSlug": strings.Join(slugs, ","), "name": u.Name, "status": u.Status, "uptimeStatus": 1, "mode": 1,
		"url": u.URL, "method": u.Method, "headers": u.Headers, "body": u.Body, "intervalSeconds": u.Interval, "timeoutMs": u.Timeout,
		"environment": u.Environment, "owner": owner, "traceSampling": u.Tracing, "responseCaptureEnabled": u.Capture,
		"recoveryThreshold": u.Recovery, "downtimeThreshold": u.Downtime, "dateCreated": stamp(t.created),
	}, nil
}

// listUptimeChecks has nothing to list: no check is ever run.
func listUptimeChecks(r *request) (any, error) {
	if _, err := r.setting(uptimeKind); err != nil {
		return nil, err
	}
	if _, _, err := r.timeRange(searchPeriod); err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	r.link(limit, offset, false)
	return []any{}, nil
}
