package tools

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sentry"
)

func TestUpdateIssue_ignoreMode(t *testing.T) {
	ignored := func(in updateIssueIn) updateIssueIn {
		in.Status = "ignored"
		return in
	}
	tests := []struct {
		reason string
		in     updateIssueIn
		mode   string
		err    string
	}{
		{"nothing to do", updateIssueIn{}, "", "status or assignedTo is required"},
		{"a reason alone changes nothing", updateIssueIn{Reason: "x"}, "", "is required"},
		{"assigning needs no status", updateIssueIn{AssignedTo: "me"}, "", ""},
		{"resolving has no mode", updateIssueIn{Status: "resolved"}, "", ""},
		{"plain ignoring", ignored(updateIssueIn{}), "untilEscalating", ""},
		{"forever", ignored(updateIssueIn{IgnoreMode: "forever"}), "forever", ""},
		{"inferred: duration", ignored(updateIssueIn{IgnoreDurationMinutes: 5}), "forDuration", ""},
		{"inferred: occurrences", ignored(updateIssueIn{IgnoreCount: 5}), "untilOccurrenceCount", ""},
		{"inferred: occurrences in a window", ignored(updateIssueIn{IgnoreCount: 5, IgnoreWindowMinutes: 9}), "untilOccurrenceCount", ""},
		{"inferred: users", ignored(updateIssueIn{IgnoreUserCount: 5}), "untilUserCount", ""},
		{"given and matching", ignored(updateIssueIn{IgnoreMode: "untilUserCount", IgnoreUserCount: 5}), "untilUserCount", ""},
		{"given and not matching", ignored(updateIssueIn{IgnoreMode: "forever", IgnoreCount: 5}), "", "does not go with"},
		{"two families", ignored(updateIssueIn{IgnoreCount: 5, IgnoreUserCount: 5}), "", "cannot be combined"},
		{"a window without its count", ignored(updateIssueIn{IgnoreWindowMinutes: 5}), "", "needs ignoreCount"},
		{"a user window without its count", ignored(updateIssueIn{IgnoreUserWindowMinutes: 5}), "", "needs ignoreUserCount"},
		{"a window of the other family", ignored(updateIssueIn{IgnoreUserCount: 5, IgnoreWindowMinutes: 5}), "", "cannot be combined"},
		{"a mode without its condition: duration", ignored(updateIssueIn{IgnoreMode: "forDuration"}), "", "needs ignoreDurationMinutes"},
		{"a mode without its condition: occurrences", ignored(updateIssueIn{IgnoreMode: "untilOccurrenceCount"}), "", "needs ignoreCount"},
		{"a mode without its condition: users", ignored(updateIssueIn{IgnoreMode: "untilUserCount"}), "", "needs ignoreUserCount"},
		{"a mode with another status", updateIssueIn{Status: "resolved", IgnoreMode: "forever"}, "", "need status ignored"},
		{"a condition with another status", updateIssueIn{Status: "unresolved", IgnoreCount: 1}, "", "need status ignored"},
		{"a condition without a status", updateIssueIn{AssignedTo: "me", IgnoreCount: 1}, "", "need status ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			mode, err := tt.in.ignoreMode()
			if mode != tt.mode || (err == nil) != (tt.err == "") {
				t.Fatalf("ignoreMode = %q, %v; want %q, %q", mode, err, tt.mode, tt.err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("err = %v, want %q", err, tt.err)
			}
		})
	}
}

func TestUpdateIssue_change(t *testing.T) {
	open := sentry.Issue{Status: "unresolved"}
	forever := sentry.Issue{Status: "ignored", Substatus: "archived_forever"}
	escalating := sentry.Issue{Status: "ignored", Substatus: "archived_until_escalating"}
	counted := sentry.Issue{Status: "ignored", StatusDetails: sentry.StatusDetails{IgnoreCount: 5, IgnoreWindow: 9}}
	snoozed := sentry.Issue{Status: "ignored", StatusDetails: sentry.StatusDetails{IgnoreUntil: sentry.Time{Time: time.Unix(1e9, 0)}}}
	nextRelease := sentry.Issue{Status: "resolved", StatusDetails: sentry.StatusDetails{InNextRelease: true}}
	hers := sentry.Issue{Status: "unresolved", AssignedTo: &sentry.Assignee{Type: "user", ID: "7"}}
	mine := sentry.Issue{Status: "unresolved", AssignedTo: &sentry.Assignee{Type: "user", ID: "1001"}}
	team := sentry.Issue{Status: "unresolved", AssignedTo: &sentry.Assignee{Type: "team", ID: "1001"}}
	nobody, me := "", "me"
	tests := []struct {
		reason string
		issue  sentry.Issue
		in     updateIssueIn
		want   sentry.IssueUpdate // zero: nothing is sent
		err    bool
	}{
		{"resolve", open, updateIssueIn{Status: "resolved"}, sentry.IssueUpdate{Status: "resolved"}, false},
		{"already open", open, updateIssueIn{Status: "unresolved"}, sentry.IssueUpdate{}, false},
		{"resolved in the next release is not resolved", nextRelease, updateIssueIn{Status: "resolved"}, sentry.IssueUpdate{Status: "resolved"}, false},
		{"already resolved in the next release", nextRelease, updateIssueIn{Status: "resolvedInNextRelease"}, sentry.IssueUpdate{}, false},
		{"ignore until escalating", open, updateIssueIn{Status: "ignored"}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_until_escalating"}, false},
		{"ignore forever", open, updateIssueIn{Status: "ignored", IgnoreMode: "forever"}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_forever"}, false},
		{"ignore for a while", open, updateIssueIn{Status: "ignored", IgnoreDurationMinutes: 30}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_until_condition_met", IgnoreDuration: 30}, false},
		{"ignore until users", open, updateIssueIn{Status: "ignored", IgnoreUserCount: 3, IgnoreUserWindowMinutes: 60}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_until_condition_met", IgnoreUserCount: 3, IgnoreUserWindow: 60}, false},
		{"already forever", forever, updateIssueIn{Status: "ignored", IgnoreMode: "forever"}, sentry.IssueUpdate{}, false},
		{"already until escalating", escalating, updateIssueIn{Status: "ignored"}, sentry.IssueUpdate{}, false},
		{"the same count", counted, updateIssueIn{Status: "ignored", IgnoreCount: 5, IgnoreWindowMinutes: 9}, sentry.IssueUpdate{}, false},
		{"another count", counted, updateIssueIn{Status: "ignored", IgnoreCount: 6}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_until_condition_met", IgnoreCount: 6}, false},
		{"a duration starts anew", snoozed, updateIssueIn{Status: "ignored", IgnoreDurationMinutes: 30}, sentry.IssueUpdate{Status: "ignored", Substatus: "archived_until_condition_met", IgnoreDuration: 30}, false},
		{"another family", forever, updateIssueIn{Status: "ignored", IgnoreCount: 5}, sentry.IssueUpdate{}, true},
		{"from a count to escalating", counted, updateIssueIn{Status: "ignored", IgnoreMode: "untilEscalating"}, sentry.IssueUpdate{}, true},
		{"already ignored, however", counted, updateIssueIn{Status: "ignored"}, sentry.IssueUpdate{}, false},
		{"already ignored for a while", snoozed, updateIssueIn{Status: "ignored"}, sentry.IssueUpdate{}, false},
		{"unassign", hers, updateIssueIn{AssignedTo: "nobody"}, sentry.IssueUpdate{AssignedTo: &nobody}, false},
		{"already hers", hers, updateIssueIn{AssignedTo: "user:7"}, sentry.IssueUpdate{}, false},
		{"already nobody's", open, updateIssueIn{AssignedTo: "nobody"}, sentry.IssueUpdate{}, false},
		{"mine", hers, updateIssueIn{AssignedTo: "me"}, sentry.IssueUpdate{AssignedTo: &me}, false},
		{"already mine", mine, updateIssueIn{AssignedTo: "me"}, sentry.IssueUpdate{}, false},
		{"a team of my number", team, updateIssueIn{AssignedTo: "me"}, sentry.IssueUpdate{AssignedTo: &me}, false},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			mode, err := tt.in.ignoreMode()
			if err != nil {
				t.Fatal(err)
			}
			got, words, err := tt.in.change(&tt.issue, mode, "1001")
			if (err != nil) != tt.err {
				t.Fatalf("err = %v, want one: %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("update (-want +got):\n%s", diff)
			}
			if (len(words) == 0) != (tt.want == sentry.IssueUpdate{}) {
				t.Errorf("words = %q do not match the update", words)
			}
		})
	}
}
