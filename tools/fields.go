package tools

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"roundhouse/sentry"
)

// usualFields are the columns of a search that names none.
var usualFields = map[string][]string{
	"errors": {"issue", "title", "project", "timestamp", "level", "message", "error.type", "culprit"},
	"spans":  {"id", "span.op", "span.description", "span.duration", "transaction", "timestamp", "project", "trace"},
	"logs":   {"timestamp", "project", "message", "severity", "trace"},
}

// builtIn are the names that Sentry itself gives a meaning to, by dataset.
// Those of spans and logs are in Sentry's own list of attributes, but for these.
var builtIn = map[string][]string{
	"errors": strings.Fields(`id issue issue.id project project.id project.name timestamp title message culprit
		level platform release environment dist transaction trace url replayId has
		error.type error.value error.handled error.unhandled error.mechanism
		stack.filename stack.abs_path stack.module stack.function stack.lineno
		user user.id user.email user.username user.ip user.display sdk.name sdk.version
		http.method http.status_code http.url browser browser.name browser.version
		os os.name os.version device device.name device.family runtime runtime.name
		handled mechanism server_name user_agent.original`),
	"spans": strings.Fields(`id span_id span.op span.description span.name span.duration span.self_time span.status
		transaction timestamp project project.id project.name trace parent_span is_transaction release environment has`),
	"logs": strings.Fields(`id timestamp project project.id project.name message log.body severity trace span_id release environment has`),
}

// issueNames are those that filter issues; besides, issues are found by what
// their errors have.
var issueNames = append(strings.Fields(`is assigned assigned_or_suggested bookmarks subscribed firstSeen age lastSeen
	activeSince event.timestamp firstRelease timesSeen userCount issue.type issue.category issue.priority
	issue.seer_actionability detector release.stage`), builtIn["errors"]...)

func fieldSearch(s sentry.EventSearch) sentry.FieldSearch {
	return sentry.FieldSearch{Dataset: s.Dataset, ProjectID: s.ProjectID, Period: s.Period}
}

var (
	quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	queryName  = regexp.MustCompile(`(?:^|[\s(!])([A-Za-z_][\w.-]*):([A-Za-z_][\w.-]*)?`)
	plainName  = regexp.MustCompile(`^[A-Za-z_][\w.-]*$`)
)

const maxNames = 20

// queryNames lists what a search filters by.
func queryNames(query string) []string {
	var names []string
	for _, m := range queryName.FindAllStringSubmatch(quotedText.ReplaceAllString(query, `""`), maxNames) {
		name := m[1]
		if name == "has" && m[2] != "" {
			name = m[2]
		}
		names = append(names, name)
	}
	return names
}

// selectedNames lists what columns are made of: themselves, or of an aggregate
// its first argument.
func selectedNames(fields []string) []string {
	var names []string
	for _, f := range fields {
		if name := selectedName(f); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func selectedName(field string) string {
	if isAggregate(field) {
		_, arguments, _ := strings.Cut(strings.TrimSuffix(field, ")"), "(")
		field, _, _ = strings.Cut(arguments, ",")
		field = strings.TrimSpace(field)
	}
	if !plainName.MatchString(field) {
		return ""
	}
	return field
}

// doubts says what about a search may be why it found so little: Sentry takes
// every name, as it could be a tag, and then finds nothing, or counts zero.
func doubts(ctx context.Context, env Env, org string, s sentry.EventSearch, rows []map[string]any) markdown {
	filters := queryNames(s.Query)
	if slices.Contains(filters, "is") {
		return isFilter
	}
	var suspects []string
	for _, f := range s.Fields {
		if name := selectedName(f); name != "" && !slices.ContainsFunc(rows, func(row map[string]any) bool { return !isNothing(row[f]) }) {
			suspects = append(suspects, name)
		}
	}
	if foundNothing(s.Fields, rows) {
		suspects = append(suspects, filters...)
	}
	return unknownNames(ctx, env, org, fieldSearch(s), suspects, builtIn[s.Dataset])
}

const isFilter markdown = "`is:` filters issues, not events: use search_issues for it."

// foundNothing reports whether there is no row, or only one of aggregates over
// nothing.
func foundNothing(fields []string, rows []map[string]any) bool {
	if len(rows) == 0 {
		return true
	}
	return len(rows) == 1 && !slices.ContainsFunc(fields, func(f string) bool {
		return !isAggregate(f) || !isNothing(rows[0][f])
	})
}

func isNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case json.Number:
		f, err := v.Float64()
		return err == nil && f == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// unknownNames says which names Sentry knows nothing of, and what they were
// probably meant to be; "" when it knows them all. Sentry is asked only when
// one is not known already.
func unknownNames(ctx context.Context, env Env, org string, s sentry.FieldSearch, asked, known []string) markdown {
	isKnown := func(name string) bool { return slices.Contains(known, name) }
	unknown := slices.DeleteFunc(slices.Clone(asked), isKnown)
	if len(unknown) == 0 {
		return ""
	}
	sent, err := sentNames(ctx, env, org, s)
	known = slices.Concat(known, sent)
	unknown = slices.DeleteFunc(unknown, isKnown)
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	switch near := nearNames(unknown, known); {
	case len(unknown) == 0:
		return ""
	case err != nil:
		return near // which names exist is not known
	case near == "":
		return textf("Sentry lists no %s here.", names(unknown))
	default:
		return textf("Sentry lists no %s here. %s", names(unknown), near)
	}
}

const maxSuggested = 20

// suggestNames names fields that exist: those that the wrong ones were meant
// to be, or else some.
func suggestNames(ctx context.Context, env Env, org string, s sentry.FieldSearch, wrong []string) markdown {
	if slices.Contains(wrong, "is") {
		return isFilter
	}
	sent, _ := sentNames(ctx, env, org, s)
	if near := nearNames(wrong, slices.Concat(builtIn[s.Dataset], sent)); near != "" {
		return near
	}
	some := slices.Concat(usualFields[s.Dataset], sent)
	return "Fields of this dataset include " + names(some[:min(len(some), maxSuggested)]) + "."
}

func nearNames(wrong, known []string) markdown {
	var near []markdown
	for _, name := range wrong {
		best := nearest(name, known)
		if best != "" && best != name && !slices.Contains(near, inline(best)) {
			near = append(near, inline(best))
		}
	}
	if len(near) == 0 {
		return ""
	}
	return "Did you mean " + join(near, ", ") + "?"
}

// sentNames lists what the events of a dataset have, as Sentry knows it.
func sentNames(ctx context.Context, env Env, org string, s sentry.FieldSearch) ([]string, error) {
	list := env.Sentry.TraceItemAttributes
	if s.Dataset == "errors" {
		list = env.Sentry.Tags
	}
	fields, err := list(ctx, org, s)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	return keys, nil
}
