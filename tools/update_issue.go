package tools

import (
	"context"

	"roundhouse/sentry"
)

type updateIssueIn struct {
	inIssue
	Status                  string `json:"status,omitempty" enum:"resolved|resolvedInNextRelease|unresolved|ignored" doc:"ignored without more: until it escalates."`
	AssignedTo              string `json:"assignedTo,omitempty" form:"user:<number>, team:<number or slug>, me or nobody" pattern:"^(user:[0-9]{1,20}|team:[A-Za-z0-9._-]{1,100}|me|nobody)$" doc:"user:<number>, team:<number or slug>, me, or nobody."`
	IgnoreMode              string `json:"ignoreMode,omitempty" enum:"untilEscalating|forever|forDuration|untilOccurrenceCount|untilUserCount" doc:"How long to ignore, with status ignored. Follows from the conditions below when left out."`
	IgnoreDurationMinutes   int    `json:"ignoreDurationMinutes,omitempty" min:"1" max:"5256000" doc:"forDuration: for so many minutes."`
	IgnoreCount             int    `json:"ignoreCount,omitempty" min:"1" max:"1000000000" doc:"untilOccurrenceCount: until it happened so often again."`
	IgnoreWindowMinutes     int    `json:"ignoreWindowMinutes,omitempty" min:"1" max:"10080" doc:"With ignoreCount: so often within so many minutes."`
	IgnoreUserCount         int    `json:"ignoreUserCount,omitempty" min:"1" max:"1000000000" doc:"untilUserCount: until it affected so many users."`
	IgnoreUserWindowMinutes int    `json:"ignoreUserWindowMinutes,omitempty" min:"1" max:"10080" doc:"With ignoreUserCount: so many within so many minutes."`
	Reason                  string `json:"reason,omitempty" min:"1" max:"4096" doc:"Why; added to the issue as a note."`
}

func updateIssue() Tool {
	return Define(Definition{
		Name:        "update_issue",
		Title:       "Update an issue",
		Description: "Resolve, reopen, ignore or assign an issue, named by URL or by id. Parts that already hold are left alone. Ask the user before changing what they did not ask for.",
		Skills:      []string{Triage},
		Listed:      true,
		Annotations: hints(false, true, true, true),
	}, runUpdateIssue)
}

func runUpdateIssue(ctx context.Context, env Env, in updateIssueIn) (markdown, error) {
	mode, err := in.ignoreMode()
	if err != nil {
		return "", err
	}
	t, err := in.target(env)
	if err != nil {
		return "", err
	}
	issue, err := getIssue(ctx, env, t)
	if err != nil {
		return "", err
	}
	change, changes, err := in.change(issue, mode, env.Key.User())
	if err != nil {
		return "", err
	}
	after := issue
	if len(changes) > 0 {
		// By number: a short id could have moved to another issue since.
		after, err = env.Sentry.UpdateIssue(ctx, t.org, string(issue.ID), change)
		if err != nil {
			return "", err
		}
	}
	var d document
	if len(changes) > 0 {
		d.heading(1, "Issue %s updated", word(issueName(*issue)))
	} else {
		d.heading(1, "Issue %s already is as requested", word(issueName(*issue)))
	}
	for _, c := range changes {
		d.line("- %s", c)
	}
	d.heading(2, "Now")
	d.fact("Status", statusText(merged(*issue, *after)))
	d.fact("Assigned to", assigneeText(after.AssignedTo))
	d.fact("URL", address(env.Sentry.IssueURL(t.org, issueName(*issue))))
	if in.Reason != "" {
		writeNoteOutcome(&d, env.Sentry.CreateNote(ctx, t.org, string(issue.ID), in.Reason))
	}
	return d.markdown(), nil
}

// merged prefers what Sentry says after an update; older servers answer with
// the changed fields alone.
func merged(before, after sentry.Issue) sentry.Issue {
	if after.Status != "" {
		return after
	}
	return before
}

// writeNoteOutcome never fails the call: the issue has been changed by then.
func writeNoteOutcome(d *document, err error) {
	if err == nil {
		d.fact("Note", "added")
		return
	}
	_, text, _ := judge(err, []string{Triage})
	d.fact("Note", "could not be added: "+text)
}

// ignoreMode checks the options against each other and returns the mode that
// they amount to, "" when the status is not ignored.
func (in updateIssueIn) ignoreMode() (string, error) {
	if in.Status == "" && in.AssignedTo == "" {
		return "", &inputError{"status", "or assignedTo is required", "Send what to change."}
	}
	families := map[string]bool{
		"forDuration":          in.IgnoreDurationMinutes > 0,
		"untilOccurrenceCount": in.IgnoreCount > 0 || in.IgnoreWindowMinutes > 0,
		"untilUserCount":       in.IgnoreUserCount > 0 || in.IgnoreUserWindowMinutes > 0,
	}
	var given []string
	for _, mode := range []string{"forDuration", "untilOccurrenceCount", "untilUserCount"} {
		if families[mode] {
			given = append(given, mode)
		}
	}
	switch {
	case in.Status != "ignored" && (in.IgnoreMode != "" || len(given) > 0):
		return "", &inputError{"ignoreMode", "and its conditions need status ignored", ""}
	case len(given) > 1:
		return "", &inputError{"", "conditions of " + names(given) + " cannot be combined", "Send those of one mode."}
	case in.IgnoreWindowMinutes > 0 && in.IgnoreCount == 0:
		return "", &inputError{"ignoreWindowMinutes", "needs ignoreCount", ""}
	case in.IgnoreUserWindowMinutes > 0 && in.IgnoreUserCount == 0:
		return "", &inputError{"ignoreUserWindowMinutes", "needs ignoreUserCount", ""}
	case in.Status != "ignored":
		return "", nil
	case in.IgnoreMode == "" && len(given) == 1:
		return given[0], nil
	case in.IgnoreMode == "":
		return "untilEscalating", nil
	case len(given) == 1 && in.IgnoreMode != given[0]:
		return "", &inputError{"ignoreMode", textf("%s does not go with the condition of %s", word(in.IgnoreMode), word(given[0])), "Leave ignoreMode out, or send " + word(given[0]) + "."}
	}
	if needs, ok := needed[in.IgnoreMode]; ok && len(given) == 0 {
		return "", &inputError{"ignoreMode", word(in.IgnoreMode) + " needs " + needs, ""}
	}
	return in.IgnoreMode, nil
}

var needed = map[string]markdown{
	"forDuration":          "ignoreDurationMinutes",
	"untilOccurrenceCount": "ignoreCount",
	"untilUserCount":       "ignoreUserCount",
}

// substatuses are what Sentry calls the modes.
var substatuses = map[string]string{
	"untilEscalating":      "archived_until_escalating",
	"forever":              "archived_forever",
	"forDuration":          "archived_until_condition_met",
	"untilOccurrenceCount": "archived_until_condition_met",
	"untilUserCount":       "archived_until_condition_met",
}

// change returns what to send and says it in words; no words, no change. me is
// the id of the user who asks.
func (in updateIssueIn) change(issue *sentry.Issue, mode, me string) (sentry.IssueUpdate, []markdown, error) {
	var u sentry.IssueUpdate
	var words []markdown
	held, err := in.statusHolds(issue, mode)
	if err != nil {
		return u, nil, err
	}
	if in.Status != "" && !held {
		u.Status = in.Status
		u.Substatus = substatuses[mode]
		u.IgnoreDuration, u.IgnoreCount, u.IgnoreWindow = in.IgnoreDurationMinutes, in.IgnoreCount, in.IgnoreWindowMinutes
		u.IgnoreUserCount, u.IgnoreUserWindow = in.IgnoreUserCount, in.IgnoreUserWindowMinutes
		to := word(in.Status)
		if mode != "" {
			to += " (" + in.ignoreText(mode) + ")"
		}
		words = append(words, textf("**Status**: %s → **%s**", statusText(*issue), to))
	}
	if in.AssignedTo != "" && !assigned(issue.AssignedTo, in.AssignedTo, me) {
		to := in.AssignedTo
		if to == "nobody" {
			to = ""
		}
		u.AssignedTo = &to
		words = append(words, textf("**Assigned to**: %s → **%s**", assigneeText(issue.AssignedTo), inline(in.AssignedTo)))
	}
	return u, words, nil
}

// statusHolds reports whether the issue already has the status. Sentry cannot
// turn one kind of ignoring into another, so that is refused.
func (in updateIssueIn) statusHolds(issue *sentry.Issue, mode string) (bool, error) {
	status := string(issue.Status)
	d := issue.StatusDetails
	switch in.Status {
	case "resolvedInNextRelease":
		return status == "resolved" && bool(d.InNextRelease), nil
	case "resolved":
		return status == "resolved" && !bool(d.InNextRelease), nil
	case "ignored":
	default:
		return status == in.Status, nil
	}
	if status != "ignored" {
		return false, nil
	}
	if in.ignoredSomehow() {
		return true, nil
	}
	current := currentMode(issue)
	if current != mode {
		return false, &inputError{
			problem: textf("an issue that is ignored %s cannot change to %s", word(current), word(mode)),
			fix:     "Set status unresolved first, then ignore it anew.",
		}
	}
	switch mode {
	case "forDuration":
		return false, nil // the time runs from now
	case "untilOccurrenceCount":
		return int(d.IgnoreCount) == in.IgnoreCount && int(d.IgnoreWindow) == in.IgnoreWindowMinutes, nil
	case "untilUserCount":
		return int(d.IgnoreUserCount) == in.IgnoreUserCount && int(d.IgnoreUserWindow) == in.IgnoreUserWindowMinutes, nil
	}
	return true, nil
}

// ignoredSomehow reports whether the caller left open how to ignore.
func (in updateIssueIn) ignoredSomehow() bool {
	return in.IgnoreMode == "" && in.IgnoreDurationMinutes == 0 && in.IgnoreCount == 0 && in.IgnoreUserCount == 0
}

func currentMode(issue *sentry.Issue) string {
	d := issue.StatusDetails
	switch {
	case d.IgnoreUserCount > 0:
		return "untilUserCount"
	case d.IgnoreCount > 0:
		return "untilOccurrenceCount"
	case !d.IgnoreUntil.IsZero():
		return "forDuration"
	case issue.Substatus == "archived_until_escalating":
		return "untilEscalating"
	}
	return "forever"
}

func (in updateIssueIn) ignoreText(mode string) markdown {
	within := func(minutes int) markdown {
		if minutes == 0 {
			return ""
		}
		return " within " + counted(minutes, "minute")
	}
	switch mode {
	case "forDuration":
		return "for " + counted(in.IgnoreDurationMinutes, "minute")
	case "untilOccurrenceCount":
		return textf("until %s%s", counted(in.IgnoreCount, "more event"), within(in.IgnoreWindowMinutes))
	case "untilUserCount":
		return textf("until it affects %s%s", counted(in.IgnoreUserCount, "user"), within(in.IgnoreUserWindowMinutes))
	case "forever":
		return "forever"
	}
	return "until it escalates"
}

// assigned reports whether the issue is assigned so already. What cannot be
// told from the answer, such as a team's slug, is sent again: that is harmless.
func assigned(a *sentry.Assignee, want, me string) bool {
	if want == "me" {
		want = "user:" + me
	}
	if a == nil || a.ID == "" {
		return want == "nobody"
	}
	return want == string(a.Type)+":"+string(a.ID)
}
