package sandbox

import (
	"roundhouse/sandbox/payload"
)

// groupedBy says in words what decided which issue an event belongs to.
var groupedBy = map[string]string{
	"fingerprint": "the fingerprint that the SDK sent",
	"feedback":    "each feedback is an issue",
	"occurrence":  "what was found out about a monitor",
	"exception":   "types and frames of the exceptions, in-app frames if there are any",
	"message":     "the message, without what varies in it",
	"thread":      "frames of the thread that crashed or was current",
	"place":       "level, logger and culprit",
}

// listHashes lists the one hash that all events of an issue have, with the
// latest of them.
func listHashes(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	r.SetPathValue("event", "latest")
	ev, err := r.eventOf(is)
	if err != nil {
		return nil, err
	}
	all := []any{}
	if offset == 0 {
		all = append(all, payload.Object{"id": payload.HashOf(is.parts), "latestEvent": ev.summary(is), "mergedBySeer": false})
	}
	return cut(r, all, limit, offset), nil
}

// getIssueGrouping answers why an event is of its issue.
func getIssueGrouping(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	ev, err := r.eventOf(is)
	return ev.grouping(is.parts), err
}

// getEventGrouping does so for who knows the event alone.
func getEventGrouping(r *request) (any, error) {
	id, err := r.eventID()
	if err != nil {
		return nil, err
	}
	var is issue
	row := r.sb.read().QueryRowContext(r.Context(), "SELECT "+issueColumns+` FROM issue i WHERE i.id =
		(SELECT issue FROM item WHERE event_id = ? AND event_id <> '' AND project = ? AND issue IS NOT NULL)`, id, r.project.id)
	if err := is.scan(row.Scan); err != nil {
		return nil, orNotFound(err)
	}
	ev, err := r.eventOf(is)
	return ev.grouping(is.parts), err
}

// grouping has one variant, since the sandbox groups in one way. The parts are
// those stored with the issue; the event's own hash can differ from theirs if
// it was grouped by another release.
func (ev event) grouping(parts []string) payload.Object {
	own, hash := payload.Group(ev.body), payload.HashOf(parts)
	kind, values := "component", make([]payload.Object, len(parts))
	if own.By == "fingerprint" {
		kind = "custom_fingerprint"
	}
	for i, part := range parts {
		values[i] = payload.Object{"id": own.By, "name": own.By, "contributes": true, "hint": nil, "values": []string{part}}
	}
	return payload.Object{own.By: payload.Object{
		"key": own.By, "type": kind, "description": groupedBy[own.By], "hash": hash, "hashMismatch": own.Hash != hash, "contributes": true, "hint": nil,
		"values":    parts,
		"component": payload.Object{"id": own.By, "name": nil, "contributes": true, "hint": nil, "values": values},
	}}
}
