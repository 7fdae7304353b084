package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxWidgets       = 30 // of a dashboard
	maxWidgetQueries = 10
	maxWidgetFields  = 40
	maxTitle         = 255
	maxWidgetText    = 4096
)

var (
	widgetDisplays = []string{"line", "area", "stacked_area", "bar", "table", "big_number", "top_n", "details", "categorical_bar", "wheel", "rage_and_dead_clicks", "server_tree", "text", "agents_traces_table"}
	widgetTypes    = []string{"discover", "issue", "metrics", "error-events", "transaction-like", "spans", "logs", "tracemetrics"}
)

// dashboard is what people look at together. Its queries are not run here: who
// shows it asks for their results.
type dashboard struct {
	Title        string         `json:"title"`
	Widgets      []widget       `json:"widgets"`
	Projects     []int64        `json:"projects"`
	Environments []string       `json:"environment"`
	Period       *string        `json:"period"`
	Start        *string        `json:"start"`
	End          *string        `json:"end"`
	UTC          *bool          `json:"utc"`
	Filters      payload.Object `json:"filters"`
	Permissions  payload.Object `json:"permissions"`
}

type widget struct {
	Title       string         `json:"title"`
	Description *string        `json:"description"`
	Display     string         `json:"displayType"`
	Type        string         `json:"widgetType"`
	Interval    string         `json:"interval"`
	Limit       *int           `json:"limit"`
	Layout      payload.Object `json:"layout"`
	Thresholds  payload.Object `json:"thresholds"`
	Queries     []widgetQuery  `json:"queries"`
}

type widgetQuery struct {
	Name       string   `json:"name"`
	Fields     []string `json:"fields"`
	Aggregates []string `json:"aggregates"`
	Columns    []string `json:"columns"`
	Aliases    []string `json:"fieldAliases"`
	Conditions string   `json:"conditions"`
	OrderBy    string   `json:"orderby"`
}

// dashboardRoutes: as in Sentry, whoever may read an organization may also make
// its dashboards, and change those that mayEdit allows.
func (s *Sandbox) dashboardRoutes(reg func(pattern, scope string, h handler)) {
	const all = "/organizations/{org}/dashboards/"
	reg("GET "+all, "org:read", listDashboards)
	settingKind[dashboard, *dashboard]{
		name: dashboardKind, path: all, read: "org:read", write: "org:read", show: (*request).dashboardJSON, mayChange: (*request).mayEdit,
		made: http.StatusCreated, gone: http.StatusNoContent,
	}.routes(reg)
}

// mayEdit refuses to change a dashboard: its author may, another guest may not,
// and of the rest, whom its permissions name and whoever may write the
// organization.
func (r *request) mayEdit(t setting) error {
	if t.author == r.user.ID {
		return nil
	}
	var open bool
	err := r.sb.read().QueryRowContext(r.Context(), `SELECT coalesce(body ->> '$.permissions.isEditableByEveryone', 1)
		OR EXISTS (SELECT 1 FROM json_each(body, '$.permissions.teamsWithEditAccess') e JOIN team_member tm ON tm.team = e.value WHERE tm.user = ?2)
		FROM setting WHERE id = ?1`, t.id, r.user.ID).Scan(&open)
	if err == nil && (r.org.role == "guest" || !open && !roleAllows(r.org.role, "org:write")) {
		err = refuse(http.StatusForbidden, "You do not have permission to edit this dashboard.")
	}
	return err
}

func (d *dashboard) settle(r *request, t *setting) (err error) {
	before := t.name
	if t.name, err = nameIn("title", d.Title, maxTitle); err != nil {
		return err
	}
	if d.Title = t.name; d.Title != before {
		if err := d.unique(r); err != nil {
			return err
		}
	}
	if len(d.Widgets) > maxWidgets {
		return badField("widgets", fmt.Sprintf("Number of widgets must be less than or equal to %d", maxWidgets))
	}
	for i := range d.Widgets {
		if err := d.Widgets[i].settle(i + 1); err != nil {
			return err
		}
	}
	if len(d.Environments) > maxWidgetFields {
		return badField("environment", fmt.Sprintf("There are more than %d.", maxWidgetFields))
	}
	if d.Period != nil && *d.Period != "" {
		if _, err := parsePeriod(*d.Period); err != nil {
			return err
		}
	}
	return d.place(r, t)
}

// unique: nobody gives two dashboards of an organization one title. One that is
// hidden from the user does not count, or the refusal would tell of it.
func (d *dashboard) unique(r *request) error {
	var taken bool
	err := r.sb.read().QueryRowContext(r.Context(), "SELECT EXISTS (SELECT 1 FROM setting s WHERE s.org = ? AND s.kind = ? AND s.name = ? AND "+r.seesAllOf()+")",
		r.org.id, dashboardKind, d.Title).Scan(&taken)
	if err == nil && taken {
		err = refuse(http.StatusConflict, "Dashboard with that title already exists.")
	}
	return err
}

// place reads the projects, of which -1 means all, and none those of whoever looks.
func (d *dashboard) place(r *request, t *setting) error {
	t.projects = nil
	for _, id := range d.Projects {
		if id == -1 {
			t.projects = nil
			return nil
		}
		p, err := r.sb.projectOf(r.Context(), r.org, strconv.FormatInt(id, 10))
		var ae *apiError
		if errors.As(err, &ae) {
			return badField("projects", fmt.Sprintf("Project %d does not exist.", id))
		}
		if err != nil {
			return err
		}
		t.projects = append(t.projects, p.id)
	}
	return nil
}

func (w *widget) settle(n int) (err error) {
	bad := func(format string, args ...any) error {
		return badField("widgets", fmt.Sprintf("Widget %d: ", n)+fmt.Sprintf(format, args...))
	}
	if w.Title = strings.TrimSpace(w.Title); w.Title == "" || len(w.Title) > maxTitle {
		return bad("it needs a title of at most %d bytes.", maxTitle)
	}
	if !slices.Contains(widgetDisplays, w.Display) {
		return bad("displayType must be one of %s.", strings.Join(widgetDisplays, ", "))
	}
	if w.Type == "" {
		w.Type = "error-events"
	}
	if !slices.Contains(widgetTypes, w.Type) {
		return bad("widgetType must be one of %s.", strings.Join(widgetTypes, ", "))
	}
	if w.Interval == "" {
		w.Interval = "5m"
	}
	if _, err := parsePeriod(w.Interval); err != nil {
		return bad("the interval is not a period, such as 5m.")
	}
	if w.Limit != nil && (*w.Limit < 1 || *w.Limit > maxPage) {
		return bad("limit must be from 1 to %d.", maxPage)
	}
	if len(w.Queries) == 0 && w.Display != "text" || len(w.Queries) > maxWidgetQueries {
		return bad("it needs 1 to %d queries.", maxWidgetQueries)
	}
	for _, q := range w.Queries {
		if n := len(q.Fields) + len(q.Aggregates) + len(q.Columns) + len(q.Aliases); n > maxWidgetFields || len(q.Conditions)+len(q.OrderBy)+len(q.Name) > maxWidgetText {
			return bad("a query has more than %d fields or %d bytes.", maxWidgetFields, maxWidgetText)
		}
	}
	return nil
}

var dashboardOrders = map[string]string{
	"": "s.created DESC, s.id DESC", "title": "s.name COLLATE NOCASE, s.id", "-title": "s.name COLLATE NOCASE DESC, s.id DESC",
	"dateCreated": "s.created, s.id", "-dateCreated": "s.created DESC, s.id DESC",
}

func listDashboards(r *request) (any, error) {
	q := r.URL.Query()
	order, ok := dashboardOrders[q.Get("sort")]
	if mine := fmt.Sprintf("s.author <> %d, s.name COLLATE NOCASE, s.id", r.user.ID); q.Get("sort") == "mydashboards" {
		order, ok = mine, true
	}
	if !ok {
		return nil, badRequest("Invalid sort: it must be title, -title, dateCreated, -dateCreated or mydashboards.")
	}
	return r.listSettings([]string{dashboardKind}, "instr(lower(s.name), ?6)", order, (*request).dashboardEntry, r.text("query"))
}

// dashboardCommon is what a list shows of a dashboard as well as the dashboard
// itself.
func (r *request) dashboardCommon(t setting) (d dashboard, out map[string]any, err error) {
	if d, err = bodyOf[dashboard](t); err != nil {
		return d, nil, err
	}
	author, err := r.authorJSON(t)
	if err != nil {
		return d, nil, err
	}
	projects, err := r.shown(d)
	return d, map[string]any{
		"id": strconv.FormatInt(t.id, 10), "title": d.Title, "dateCreated": stamp(t.created), "createdBy": author, "projects": projects,
		"environment": append([]string{}, d.Environments...), "filters": orEmpty(d.Filters), "permissions": d.Permissions, "isFavorited": false, "prebuiltId": nil,
	}, err
}

// shown are the projects of a dashboard that the user sees.
func (r *request) shown(d dashboard) ([]int64, error) {
	all, err := r.sb.projectsOf(r.Context(), r.org)
	out := []int64{}
	for _, id := range d.Projects {
		if id == -1 || indexProject(all, strconv.FormatInt(id, 10)) >= 0 {
			out = append(out, id)
		}
	}
	return out, err
}

func (r *request) dashboardEntry(t setting) (map[string]any, error) {
	d, out, err := r.dashboardCommon(t)
	if err != nil {
		return nil, err
	}
	displays, previews := []string{}, []any{}
	for _, w := range d.Widgets {
		displays = append(displays, w.Display)
		previews = append(previews, payload.Object{"displayType": w.Display, "layout": w.Layout})
	}
	out["widgetDisplay"], out["widgetPreview"], out["lastVisited"] = displays, previews, nil
	return out, nil
}

func (r *request) dashboardJSON(t setting) (map[string]any, error) {
	d, out, err := r.dashboardCommon(t)
	if err != nil {
		return nil, err
	}
	id := strconv.FormatInt(t.id, 10)
	widgets := []any{}
	for i, w := range d.Widgets {
		widgets = append(widgets, w.json(id, fmt.Sprintf("%s%02d", id, i+1), stamp(t.created)))
	}
	out["widgets"] = widgets
	for key, v := range map[string]*string{"period": d.Period, "start": d.Start, "end": d.End} {
		if v != nil {
			out[key] = *v
		}
	}
	if d.UTC != nil {
		out["utc"] = *d.UTC
	}
	return out, nil
}

func (w widget) json(dashboard, id, created string) payload.Object {
	queries := []any{}
	for i, q := range w.Queries {
		queries = append(queries, payload.Object{
			"id": fmt.Sprintf("%s%02d", id, i+1), "widgetId": id, "name": q.Name, "fields": append([]string{}, q.Fields...), "aggregates": append([]string{}, q.Aggregates...),
			"columns": append([]string{}, q.Columns...), "fieldAliases": append([]string{}, q.Aliases...), "conditions": q.Conditions, "orderby": q.OrderBy,
			"onDemand": []any{}, "isHidden": false, "selectedAggregate": nil,
		})
	}
	return payload.Object{
		"id": id, "dashboardId": dashboard, "title": w.Title, "description": w.Description, "displayType": w.Display, "widgetType": w.Type, "interval": w.Interval,
		"limit": w.Limit, "layout": w.Layout, "thresholds": w.Thresholds, "dateCreated": created, "queries": queries, "datasetSource": "user",
	}
}
