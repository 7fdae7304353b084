package sandbox

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxProjectKeys = 100
	maxKeyName     = 64
	maxSDKVersion  = 30
)

// projectKey is a key that SDKs send with. It is known by its public part.
type projectKey struct {
	public, name string
	project      int64
	active       bool
	created      float64
	opts         keyOptions
}

// keyOptions are, but for the limit, for the loader that a page of a browser
// includes. The sandbox keeps them, and has no loader.
type keyOptions struct {
	RateLimit  *rateLimit    `json:"rateLimit,omitempty"` // nil: none
	BrowserSDK string        `json:"browserSdkVersion"`
	Loader     loaderOptions `json:"dynamicSdkLoaderOptions"`
}

type loaderOptions struct {
	Replay      bool `json:"hasReplay"`
	Performance bool `json:"hasPerformance"`
	Debug       bool `json:"hasDebug"`
}

var defaultKeyOptions = keyOptions{BrowserSDK: "latest", Loader: loaderOptions{Replay: true, Performance: true}}

func (s *Sandbox) keyRoutes(reg func(pattern, scope string, h handler)) {
	const keys = "/projects/{org}/{project}/keys/"
	reg("GET "+keys, "project:read", listProjectKeys)
	reg("POST "+keys, "project:write", addKey)
	reg("GET "+keys+"{key}/", "project:read", getKey)
	reg("PUT "+keys+"{key}/", "project:write", updateKey)
}

const keyColumns = "d.public, d.name, d.project, d.active, d.created, d.opts FROM dsn d WHERE d.project = ?"

func (k *projectKey) scan(scan func(...any) error) error {
	var opts []byte
	if err := scan(&k.public, &k.name, &k.project, &k.active, &k.created, &opts); err != nil {
		return err
	}
	k.opts = defaultKeyOptions
	return json.Unmarshal(opts, &k.opts)
}

func scanKey(rows *sql.Rows) (k projectKey, err error) { return k, k.scan(rows.Scan) }

func (s *Sandbox) keyJSON(k projectKey) map[string]any {
	return map[string]any{
		"id": k.public, "name": k.name, "label": k.name, "public": k.public, "projectId": k.project, "isActive": k.active,
		"dsn": s.keyDSN(k), "dateCreated": stamp(k.created), "rateLimit": k.opts.RateLimit,
		"browserSdkVersion": k.opts.BrowserSDK, "dynamicSdkLoaderOptions": k.opts.Loader,
	}
}

// keyDSN is where senders send to: SDKs, and exporters of OpenTelemetry.
func (s *Sandbox) keyDSN(k projectKey) payload.Object {
	otlp := s.baseURL() + "/api/" + strconv.FormatInt(k.project, 10) + "/integration/otlp/v1/"
	return payload.Object{"public": s.dsn(k.public, k.project), "otlp_traces": otlp + "traces", "otlp_logs": otlp + "logs"}
}

func listProjectKeys(r *request) (any, error) {
	keys, err := paged(r, scanKey, "SELECT "+keyColumns+" ORDER BY d.created, d.public", r.project.id)
	if err != nil {
		return nil, err
	}
	return each(keys, r.sb.keyJSON), nil
}

// key looks up {key} of the path.
func (r *request) key(q querier) (k projectKey, err error) {
	row := q.QueryRowContext(r.Context(), "SELECT "+keyColumns+" AND d.public = ?", r.project.id, r.PathValue("key"))
	return k, orNotFound(k.scan(row.Scan))
}

func getKey(r *request) (any, error) {
	k, err := r.key(r.sb.read())
	if err != nil {
		return nil, err
	}
	return r.sb.keyJSON(k), nil
}

// keyChange is the body of a request: what is absent stays.
type keyChange struct {
	Name       *string         `json:"name"`
	Active     *bool           `json:"isActive"`
	RateLimit  json.RawMessage `json:"rateLimit"`
	BrowserSDK *string         `json:"browserSdkVersion"`
	Loader     json.RawMessage `json:"dynamicSdkLoaderOptions"`
}

// apply changes a key, or says what of it cannot be.
func (c keyChange) apply(k *projectKey) (err error) {
	if len(c.RateLimit) > 0 {
		if k.opts.RateLimit, err = readRateLimit(c.RateLimit); err != nil {
			return err
		}
	}
	if c.Name != nil {
		k.name = strings.TrimSpace(*c.Name)
		if k.name == "" || len(k.name) > maxKeyName {
			return &apiError{http.StatusBadRequest, payload.Object{"name": []string{"It must have 1 to " + strconv.Itoa(maxKeyName) + " bytes."}}}
		}
	}
	if c.Active != nil {
		k.active = *c.Active
	}
	if c.BrowserSDK != nil {
		k.opts.BrowserSDK = payload.Clip(*c.BrowserSDK, maxSDKVersion)
	}
	if len(c.Loader) > 0 {
		if err := json.Unmarshal(c.Loader, &k.opts.Loader); err != nil {
			return &apiError{http.StatusBadRequest, payload.Object{"dynamicSdkLoaderOptions": []string{"Its members must be true or false."}}}
		}
	}
	return nil
}

// addKey makes an active key; without a name it is Default.
func addKey(r *request) (any, error) {
	var c keyChange
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	k := projectKey{public: randomHex(16), name: "Default", project: r.project.id, active: true, created: seconds(r.sb.now()), opts: defaultKeyOptions}
	if err := c.apply(&k); err != nil {
		return nil, err
	}
	opts, err := json.Marshal(k.opts)
	if err != nil {
		return nil, err
	}
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		done, err := tx.ExecContext(r.Context(), `INSERT INTO dsn(public, secret, project, name, active, created, opts)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE (SELECT count(*) FROM dsn WHERE project = ?3) < ?8`,
			k.public, randomHex(16), k.project, k.name, k.active, k.created, string(opts), maxProjectKeys)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return badRequest("The project has %d keys already, and there may be no more.", maxProjectKeys)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.status = http.StatusCreated
	return r.sb.keyJSON(k), nil
}

func updateKey(r *request) (any, error) {
	var c keyChange
	if err := r.decode(&c); err != nil {
		return nil, err
	}
	var k projectKey
	err := r.sb.write(r.Context(), func(tx *sql.Tx) (err error) {
		if k, err = r.key(tx); err != nil {
			return err
		}
		if err := c.apply(&k); err != nil {
			return err
		}
		opts, err := json.Marshal(k.opts)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(r.Context(), "UPDATE dsn SET name = ?, active = ?, opts = ? WHERE public = ?", k.name, k.active, string(opts), k.public)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.sb.keyJSON(k), nil
}
