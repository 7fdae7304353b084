package query

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseIssues(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	tests := []struct {
		why, query string
		want       []int
	}{
		{"everything in range and in sight", "", []int{1, 2, 3}},
		{"unresolved", "is:unresolved", []int{1}},
		{"archived is ignored", "is:archived", []int{3}},
		{"a list of states", "is:[resolved, ignored]", []int{2, 3}},
		{"not a state", "!is:unresolved", []int{2, 3}},
		{"a substatus", "is:archived_forever", []int{3}},
		{"unassigned", "is:unassigned", []int{2}},
		{"for review", "is:for_review", []int{1}},
		{"nothing is linked", "is:linked", nil},

		{"level is the issue's", "level:[error,fatal]", []int{1, 3}},
		{"priority in any case", "issue.priority:HIGH", []int{1}},
		{"several keys", "is:unresolved level:error issue.category:error", []int{1}},
		{"title with a wildcard", "title:TypeError*", []int{1}},
		{"LIKE's own wildcards are plain in a title", "title:*100%*5_000*", []int{2}},
		{"short id", "issue:pay-1", []int{3}},
		{"several short ids", "issue:[PAY-1, SHOP-1]", []int{1, 3}},
		{"issue id", "issue.id:[1,2]", []int{1, 2}},
		{"issue is either", "issue:2", []int{2}},
		{"or one of several", "issue:[PAY-1,2]", []int{2, 3}},
		{"or neither", "!issue:[PAY-1,2] is:unresolved", []int{1}},
		{"project", "project:pay", []int{3}},
		{"project by number", "project:2", []int{3}},
		{"another organization's project does not exist", "project:secret", nil},
		{"timesSeen", "timesSeen:>=5", []int{1, 2}},
		{"userCount", "userCount:2", []int{1}},
		{"first release", "firstRelease:shop@1.0 level:fatal", []int{3}},

		{"began in the latest release of its project", "firstRelease:latest", []int{2, 3}},
		{"by the other name, and not", "!first_release:latest", []int{1}},
		{"in the latest or another", "firstRelease:[latest, shop@1.0]", []int{1, 2, 3}},

		{"assigned to me", "assigned:me", []int{1}},
		{"assigned to an address", "assigned:ann@example.com", []int{1}},
		{"assigned to a name, with suggestions", "assigned_or_suggested:ANN", []int{1}},
		{"assigned to a team", "assigned:#payments", []int{3}},
		{"assigned to an unknown team", "assigned:#nobody", nil},
		{"assigned to my teams", "assigned:[me, my_teams]", []int{1, 3}},
		{"assigned to none", "assigned:none", []int{2}},
		{"has an assignee", "has:assigned", []int{1, 3}},
		{"not assigned to me", "!assigned:me", []int{2, 3}},

		{"young", "age:-3d", []int{1}},
		{"old", "age:+7d", []int{2}},
		{"seen of late", "lastSeen:-25h", []int{1}},
		{"first seen before a day", "firstSeen:<2026-01-26", []int{2}},
		{"active since its regression", "activeSince:-4d", []int{1, 2}},

		{"an event's attribute", `browser:"Chrome 120"`, []int{1}},
		{"an event's environment", "environment:production", []int{1, 2}},
		{"an event that lacks it", "!environment:production", []int{1, 3}},
		{"one event has both", "environment:production user:id:1 release:shop@2.0", []int{1}},
		{"no one event has both", "environment:staging release:shop@2.0", nil},
		{"both, in two events", "(environment:staging is:unresolved) (release:shop@2.0 is:unresolved)", []int{1}},
		{"event and issue keys under OR", "release:shop@1.0 OR level:fatal", []int{1, 3}},
		{"event and issue keys under NOT", "NOT (release:shop@1.0 level:error)", []int{2, 3}},
		{"the latest release", "release:latest", []int{1}},
		{"an event in a span of time", "event.timestamp:-25h", []int{1}},
		{"has an event's key", "has:browser", []int{1}},
		{"no event has it", "!has:user", []int{3}},
		{"tags[] is of the event even where the issue has the key", "tags[level]:warning", []int{2}},

		{"text in the title", "typeerror", []int{1}},
		{"text in an event's message", "really", []int{2}},
		{"text in the culprit", "pay.charge", []int{3}},
		{"the issue of an event", eventB, []int{1}},
		{"the issue of an event, with dashes", "AAAAAAAA-aaaa-aaaa-aaaa-aaaaaaaaaaaa", []int{1}},
		{"an unknown event", "99999999999999999999999999999999", nil},

		{"bookmarks are kept nowhere", "bookmarks:me", nil},
		{"so nothing has them", "has:detector", nil},
		{"release stages are kept nowhere", "release.stage:adopted", nil},
	}
	for _, tt := range tests {
		cond, err := ParseIssues(tt.query, testEnv())
		if err != nil {
			t.Errorf("%s: ParseIssues(%q) = %v", tt.why, tt.query, err)
			continue
		}
		where, args := cond.SQL()
		got := ids(t, db, "SELECT i.id FROM issue i JOIN project p ON p.id = i.project WHERE "+where, args)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q matches %v, want %v\n%s %v", tt.why, tt.query, got, tt.want, where, args)
		}
	}
}

func TestParseIssues_Environments(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	env := testEnv()
	env.Environments = []string{"production"}
	for query, want := range map[string][]int{
		"":                     {1, 2}, // has an event there
		"release:shop@1.0":     nil,    // has one elsewhere
		"level:error":          {1},
		"NOT release:shop@1.0": {1, 2},
	} {
		cond, err := ParseIssues(query, env)
		if err != nil {
			t.Fatal(err)
		}
		where, args := cond.SQL()
		got := ids(t, db, "SELECT i.id FROM issue i JOIN project p ON p.id = i.project WHERE "+where, args)
		if !slices.Equal(got, want) {
			t.Errorf("%q in production matches %v, want %v", query, got, want)
		}
	}
}

func TestParseIssues_Errors(t *testing.T) {
	tests := []struct {
		why, query string
		pos        int
		reason     string
	}{
		{"an unknown state", "level:error is:open", 13, "unresolved"},
		{"a state with an order", "is:>new", 1, "after is:"},
		{"a function", "count():>5", 1, "use timesSeen"},
		{"assignees have no order", "assigned:>me", 1, "has no order"},
		{"has nothing", "has:assigned has:[level,title]", 14, "one key belongs"},
		{"an error within an event's term", "is:new (checkout.step:>x)", 9, "a number belongs"},
	}
	for _, tt := range tests {
		_, err := ParseIssues(tt.query, testEnv())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: ParseIssues(%q) = %v, want an *Error", tt.why, tt.query, err)
			continue
		}
		if e.Pos != tt.pos || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: ParseIssues(%q): column %d, %q; want column %d, %q", tt.why, tt.query, e.Pos, e.Reason, tt.pos, tt.reason)
		}
	}
}

func TestIssueSort(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	for sort, want := range map[string][]int{
		"":            {1, 3, 2, 4},
		"date":        {1, 3, 2, 4},
		"new":         {1, 3, 2, 4},
		"inbox":       {1, 3, 2, 4},
		"freq":        {2, 4, 1, 3},
		"user":        {1, 2, 4, 3},
		"recommended": {1, 4, 2, 3},
		"trends":      {2, 1, 3, 4},
	} {
		order, err := IssueSort(sort)
		if err != nil {
			t.Errorf("IssueSort(%q) = %v", sort, err)
			continue
		}
		rows, err := db.Query("SELECT i.id FROM issue i WHERE i.project < 3 ORDER BY " + order)
		if err != nil {
			t.Fatalf("IssueSort(%q): %v", sort, err)
		}
		var got []int
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			got = append(got, id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("IssueSort(%q) orders %v, want %v", sort, got, want)
		}
	}
	if _, err := IssueSort("best"); err == nil {
		t.Error(`IssueSort("best") = nil`)
	}
}
