package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"roundhouse/sandbox/payload"
)

// pageRows is how many rows of a search a page shows.
const pageRows = 25

// answerPages are the links for which what the API answers does as a page.
var answerPages = map[string]handler{
	"replays/{replay}":                                         getReplay,
	"explore/replays/{replay}":                                 getReplay,
	"releases/{version}":                                       getRelease,
	"explore/releases/{version}":                               getRelease,
	"crons/{project}/{monitor}":                                getMonitor,
	"insights/crons/{project}/{monitor}":                       getMonitor,
	"dashboard/{setting}":                                      getSetting(dashboardKind, (*request).dashboardJSON),
	"profiling/profile/{project}/{profile}/flamegraph":         getProfile,
	"explore/profiling/profile/{project}/{profile}/flamegraph": getProfile,
	"explore/conversations/{conversation}":                     getConversation,
}

// searchPages are the links to a search of events, by the dataset they search.
var searchPages = map[string]string{
	"explore/traces": "spans", "explore/logs": "logs",
	"explore/discover/homepage": "errors", "explore/discover/results": "errors",
}

func (s *Sandbox) showAnswer(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		s.showMember(w, hr, "page", func(r *request) (page, error) {
			answer, err := h(r)
			if err != nil {
				return page{}, err
			}
			o, err := asAnswer(answer)
			if data := payload.AsObject(o["data"]); data != nil {
				o = data
			}
			return page{Title: titleOf(o), Facts: factsOf(o)}, err
		})
	}
}

// asAnswer is what a client reads of an answer.
func asAnswer(answer any) (o payload.Object, err error) {
	raw, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return o, json.Unmarshal(raw, &o)
}

// titleOf is the name of a thing, or else its id.
func titleOf(o payload.Object) string {
	for _, name := range []string{"name", "title", "version", "conversationId", "id"} {
		if text := payload.Text(o[name]); text != "" {
			return payload.Clip(text, pageText)
		}
	}
	return "Sandbox"
}

func factsOf(o payload.Object) []fact {
	var facts []fact
	for _, name := range payload.SortedKeys(o) {
		facts = append(facts, fact{Name: name, Value: payload.Clip(shownValue(o[name]), pageText)})
	}
	return facts
}

// shownValue is "" for what says nothing.
func shownValue(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case map[string]any, []any:
		raw, err := json.Marshal(v)
		if text := string(raw); err == nil && text != "{}" && text != "[]" {
			return text
		}
		return ""
	}
	return fmt.Sprint(v)
}

// showSearch shows the search of a link and its first rows.
func (s *Sandbox) showSearch(dataset string) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		s.showMember(w, hr, "page", func(r *request) (page, error) {
			p := page{Title: "Search of " + dataset, Facts: searchFacts(r.URL.Query())}
			q := maps.Clone(r.URL.Query())
			q.Set("dataset", dataset)
			q.Set("per_page", fmt.Sprint(pageRows))
			if len(nonEmpty(q["field"])) == 0 {
				q["field"] = []string{"id", "timestamp", "project"}
			}
			answer, err := r.withQuery(q, listEvents)
			if p.Message = whyBad(err); p.Message != "" {
				return p, nil
			}
			if err != nil {
				return p, err
			}
			o, err := asAnswer(answer)
			rows := payload.Objects(o["data"])
			for _, row := range rows {
				p.Rows = append(p.Rows, factsOf(row))
			}
			p.Message = fmt.Sprintf("%d rows; a page shows %d at most.", len(rows), pageRows)
			return p, err
		})
	}
}

// showIssues shows what a link to a search of issues finds.
func (s *Sandbox) showIssues(w http.ResponseWriter, hr *http.Request) {
	if !hr.URL.Query().Has("query") {
		s.showOrg(w, hr)
		return
	}
	s.showMember(w, hr, "page", func(r *request) (page, error) {
		p := page{Title: "Search of issues", Facts: searchFacts(r.URL.Query())}
		answer, err := r.withQuery(r.URL.Query(), listIssues)
		if p.Message = whyBad(err); p.Message != "" {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		issues, _ := answer.([]map[string]any)
		for _, is := range issues {
			short := payload.Text(is["shortId"])
			p.Faults = append(p.Faults, faultLink{Short: short, Title: payload.Text(is["title"]), Link: r.pageLink("issues", short)})
		}
		p.Message = fmt.Sprintf("%d issues; a page shows %d at most.", len(issues), issuePage)
		return p, nil
	})
}

func searchFacts(q url.Values) []fact {
	var facts []fact
	for _, name := range []string{"query", "field", "sort", "statsPeriod", "start", "end", "project", "environment"} {
		facts = append(facts, fact{Name: name, Value: payload.Clip(strings.Join(q[name], ", "), pageText)})
	}
	return facts
}

// withQuery asks an endpoint for what a link of a page says.
func (r *request) withQuery(q url.Values, h handler) (any, error) {
	asked := *r
	asked.Request = r.Clone(r.Context())
	asked.URL.RawQuery = q.Encode()
	asked.header = http.Header{} // a page has no next one
	return h(&asked)
}

// whyBad is what is wrong with a search; "" if nothing is, or if it is not the
// search.
func whyBad(err error) string {
	if ae, ok := err.(*apiError); ok && ae.Status == http.StatusBadRequest {
		o, _ := asAnswer(ae.Body)
		return payload.Clip(payload.Text(o["detail"]), pageText)
	}
	return ""
}
