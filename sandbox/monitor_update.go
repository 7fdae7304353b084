package sandbox

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"roundhouse/sandbox/payload"
)

const (
	maxMonitors    = 1000 // of a project, that people made
	maxMonitorName = 128
)

// monitorChange is the body of a request: what is absent stays.
type monitorChange struct {
	Project json.RawMessage `json:"project"`
	Name    *string         `json:"name"`
	Slug    *string         `json:"slug"`
	Type    *string         `json:"type"`
	Status  *string         `json:"status"`
	Muted   *bool           `json:"isMuted"`
	Owner   json.RawMessage `json:"owner"`
	Config  payload.Object  `json:"config"`
}

func (s *Sandbox) monitorUpdateRoutes(reg func(pattern, scope string, h handler)) {
	const scope = "org:write|project:write|alerts:write"
	reg("POST /organizations/{org}/monitors/", scope, addMonitor)
	for _, at := range []string{"/organizations/{org}/monitors/{monitor}/", "/projects/{org}/{project}/monitors/{monitor}/"} {
		reg("PUT "+at, scope, updateMonitor)
		reg("DELETE "+at, scope, deleteMonitor)
		reg("PUT "+at+"environments/{environment}/", scope, updateMonitorEnv)
		reg("DELETE "+at+"environments/{environment}/", scope, deleteMonitorEnv)
	}
}

// apply changes a monitor, or says what of it cannot be.
func (c monitorChange) apply(r *request, m *monitor) (err error) {
	if c.Type != nil && *c.Type != "cron_job" {
		return badField("type", "It must be cron_job.")
	}
	if c.Name != nil {
		if m.name, err = nameIn("name", *c.Name, maxMonitorName); err != nil {
			return err
		}
	}
	if c.Slug != nil {
		if m.slug = monitorSlug(*c.Slug); m.slug == "" || m.slug != *c.Slug {
			return badField("slug", fmt.Sprintf("Enter a valid slug of lowercase letters, numbers, underscores or hyphens, of at most %d characters.", maxSlug))
		}
	}
	if c.Status != nil {
		if m.status = *c.Status; m.status != active && m.status != disabled {
			return badField("status", "It must be active or disabled.")
		}
	}
	if c.Muted != nil {
		m.muted = *c.Muted
	}
	if len(c.Owner) > 0 {
		m.owner = ""
		if err := json.Unmarshal(c.Owner, &m.owner); err != nil {
			return badField("owner", "Could not parse actor. Write user:ID or team:ID.")
		}
		if err := r.actor(m.owner); err != nil {
			return err
		}
	}
	if c.Config == nil {
		return nil
	}
	raw, err := json.Marshal(m.config)
	if err != nil {
		return err
	}
	config, err := payload.ParseObject(raw)
	if err != nil {
		return err
	}
	maps.Copy(config, c.Config)
	if m.config, err = configOf(sentConfig(config)); err != nil {
		return badField("config", err.Error())
	}
	return nil
}

// sentConfig turns the form of the API into that of check-ins.
func sentConfig(o payload.Object) payload.Object {
	schedule := payload.Object{"type": o["schedule_type"], "value": o["schedule"]}
	if pair, ok := o["schedule"].([]any); ok && len(pair) == 2 {
		schedule["value"], schedule["unit"] = pair[0], pair[1]
	}
	out := maps.Clone(o)
	out["schedule"] = schedule
	return out
}

func addMonitor(r *request) (any, error) {
	var c monitorChange
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	if c.Name == nil || c.Config == nil || len(c.Project) == 0 {
		missing := map[string]bool{"name": c.Name == nil, "config": c.Config == nil, "project": len(c.Project) == 0}
		for _, field := range slices.Sorted(maps.Keys(missing)) {
			if missing[field] {
				return nil, badField(field, "This field is required.")
			}
		}
	}
	var name any
	if err := json.Unmarshal(c.Project, &name); err != nil {
		return nil, badField("project", "Invalid project")
	}
	p, err := r.sb.projectOf(r.Context(), r.org, payload.Text(name))
	var ae *apiError
	if errors.As(err, &ae) {
		return nil, badField("project", "Invalid project")
	}
	if err != nil {
		return nil, err
	}
	m := monitor{project: p, slug: monitorSlug(*c.Name), status: active, created: seconds(r.sb.now())}
	if err := c.apply(r, &m); err != nil {
		return nil, err
	}
	if m.slug == "" {
		return nil, badField("slug", "The name has no letters or numbers to make a slug of.")
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error { return r.insertMonitor(tx, &m) })
	if err != nil {
		return nil, err
	}
	r.status = http.StatusCreated
	return r.monitorJSON(m)
}

func (r *request) insertMonitor(tx *sql.Tx, m *monitor) error {
	if err := m.free(r.Context(), tx); err != nil {
		return err
	}
	raw, err := json.Marshal(m.config)
	if err != nil {
		return err
	}
	done, err := tx.ExecContext(r.Context(), `INSERT INTO monitor(project, slug, name, config, created, status, muted, owner, upserted, since)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?5 WHERE (SELECT count(*) FROM monitor WHERE project = ?1 AND NOT upserted) < ?9`,
		m.project.id, m.slug, m.name, string(raw), m.created, m.status, m.muted, m.owner, maxMonitors)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, badRequest("The project has %d monitors already, and there may be no more.", maxMonitors))
	}
	if m.id, err = done.LastInsertId(); err != nil {
		return err
	}
	return touchSeed(r.Context(), tx)
}

// free refuses a slug that another monitor of the project has.
func (m *monitor) free(ctx context.Context, q querier) error {
	var taken bool
	err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM monitor WHERE project = ? AND slug = ? AND id <> ?)", m.project.id, m.slug, m.id).Scan(&taken)
	if err == nil && taken {
		err = badField("slug", fmt.Sprintf("The slug %q is already in use.", m.slug))
	}
	return err
}

func updateMonitor(r *request) (any, error) {
	m, err := r.monitor()
	if err != nil {
		return nil, err
	}
	var c monitorChange
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	before := m
	if err := c.apply(r, &m); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m.config)
	if err != nil {
		return nil, err
	}
	if old, err := json.Marshal(before.config); err != nil || string(old) != string(raw) || before.status != m.status {
		m.since = seconds(r.sb.now()) // by the new schedule nothing was due before
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if err := m.free(r.Context(), tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(r.Context(), "UPDATE monitor SET slug = ?, name = ?, status = ?, muted = ?, owner = ?, config = ?, since = ? WHERE id = ?",
			m.slug, m.name, m.status, m.muted, m.owner, string(raw), m.since, m.id)
		if err != nil {
			return err
		}
		return errors.Join(m.replan(r.Context(), tx), touchSeed(r.Context(), tx))
	})
	if err != nil {
		return nil, err
	}
	return r.monitorJSON(m)
}

// replan finds anew when the next runs are late, in every environment.
func (m *monitor) replan(ctx context.Context, tx *sql.Tx) error {
	envs, err := collect(ctx, tx, func(rows *sql.Rows) (env string, err error) { return env, rows.Scan(&env) }, "SELECT env FROM monitor_env WHERE monitor = ?", m.id)
	if err != nil {
		return err
	}
	next, err := m.config.next()
	if err != nil {
		return err
	}
	b := &batch{ctx: ctx, tx: tx, project: m.project}
	for _, env := range envs {
		at, _, err := b.upcoming(watched{monitor: *m, env: env, next: next})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE monitor_env SET due = ? WHERE monitor = ? AND env = ?", at, m.id, env); err != nil {
			return err
		}
	}
	return nil
}

// deleteMonitor deletes a monitor, or of ?environment= only those.
func deleteMonitor(r *request) (any, error) {
	m, err := r.monitor()
	if err != nil {
		return nil, err
	}
	r.status = http.StatusAccepted
	return nil, r.sb.write(r.Context(), func(tx *sql.Tx) error {
		envs := r.environments()
		if len(envs) == 0 {
			if _, err := tx.ExecContext(r.Context(), "DELETE FROM monitor WHERE id = ?", m.id); err != nil {
				return err
			}
		}
		for _, env := range envs {
			if err := m.forget(r.Context(), tx, env); err != nil {
				return err
			}
		}
		return touchSeed(r.Context(), tx)
	})
}

// forget deletes what there is of a monitor in one environment.
func (m *monitor) forget(ctx context.Context, tx *sql.Tx, env string) error {
	for _, table := range []string{"checkin", "incident", "monitor_env"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE monitor = ? AND env = ?", m.id, env); err != nil {
			return err
		}
	}
	return nil
}

// monitorEnvOf looks up {environment} of the path.
func (r *request) monitorEnvOf() (m monitor, env string, err error) {
	if m, err = r.monitor(); err != nil {
		return m, "", err
	}
	err = r.sb.read().QueryRowContext(r.Context(), "SELECT env FROM monitor_env WHERE monitor = ? AND env = ?", m.id, r.PathValue("environment")).Scan(&env)
	return m, env, orNotFound(err)
}

func updateMonitorEnv(r *request) (any, error) {
	m, env, err := r.monitorEnvOf()
	if err != nil {
		return nil, err
	}
	var c struct {
		Muted *bool `json:"isMuted"`
	}
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	if c.Muted == nil {
		return nil, badField("isMuted", "This field is required.")
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.Context(), "UPDATE monitor_env SET muted = ? WHERE monitor = ? AND env = ?", *c.Muted, m.id, env)
		return errors.Join(err, touchSeed(r.Context(), tx))
	})
	if err != nil {
		return nil, err
	}
	return r.monitorJSON(m)
}

func deleteMonitorEnv(r *request) (any, error) {
	m, env, err := r.monitorEnvOf()
	if err != nil {
		return nil, err
	}
	r.status = http.StatusAccepted
	return nil, r.sb.write(r.Context(), func(tx *sql.Tx) error {
		return cmp.Or(m.forget(r.Context(), tx, env), touchSeed(r.Context(), tx))
	})
}
