package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestNew_RenewsRenamed: the story comes back into a project that was renamed,
// and passes over one whose name somebody took.
func TestNew_RenewsRenamed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, strings.Fields(teamScopes)...)
	first.put("/projects/acme-outdoors/storefront/", `{"slug":"shop"}`)
	// As an earlier release would have left it, without that project.
	for _, query := range []string{
		"DELETE FROM project_team WHERE project = 51900", "DELETE FROM dsn WHERE project = 51900", "DELETE FROM project WHERE id = 51900",
	} {
		if _, err := first.sb.writer.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	var taken projectAnswer
	first.post("/teams/acme-outdoors/web/projects/", `{"name":"My App"}`, http.StatusCreated, &taken)
	r, log := startLater(t, path, first.token, 48*time.Hour)
	if log != "" {
		t.Errorf("logged %s", log)
	}
	if len(r.issues("project:shop lastSeen:-48h")) == 0 {
		t.Error("no story in the renamed project")
	}
	for _, is := range r.issues("") {
		if strings.HasPrefix(is.ShortID, "STOREFRONT") {
			t.Errorf("an issue of the old name: %s", is.ShortID)
		}
	}
	var mine projectAnswer
	r.get("/projects/acme-outdoors/my-app/", &mine)
	if mine.ID != taken.ID || mine.ID == "51900" {
		t.Errorf("my-app is %s, want %s", mine.ID, taken.ID)
	}
}
