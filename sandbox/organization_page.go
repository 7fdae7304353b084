package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
)

const (
	maxListed       = 50 // projects on a page
	issuesOfProject = 5
)

// projectLine is a project in the list of its organization's.
type projectLine struct {
	Name, Slug, Platform, DSN string
	Newest                    []faultLink // issues that are not resolved
}

// showOrg lists the projects that the user sees, each with its DSN and what
// went wrong lately.
func (s *Sandbox) showOrg(w http.ResponseWriter, hr *http.Request) {
	s.showMember(w, hr, "organization", func(r *request) (page, error) {
		projects, err := r.sb.projectsOf(r.Context(), r.org)
		if err != nil {
			return page{}, err
		}
		p := page{Title: r.org.name}
		if more := len(projects) - maxListed; more > 0 {
			p.Message = fmt.Sprintf("These are the first %d projects; there are %d more.", maxListed, more)
			projects = projects[:maxListed]
		}
		for _, one := range projects {
			line, err := r.projectLine(one)
			if err != nil {
				return page{}, err
			}
			p.Projects = append(p.Projects, line)
		}
		return p, nil
	})
}

func (r *request) projectLine(p project) (line projectLine, err error) {
	line = projectLine{Name: p.name, Slug: p.slug, Platform: p.platform}
	keys, err := collect(r.Context(), r.sb.read(), scanKey, "SELECT "+keyColumns+" AND d.active ORDER BY d.created, d.public LIMIT 1", p.id)
	if err != nil {
		return line, err
	}
	for _, k := range keys {
		line.DSN = r.sb.dsn(k.public, p.id)
	}
	scan := func(rows *sql.Rows) (f faultLink, err error) {
		var id int64
		err = rows.Scan(&id, &f.Short, &f.Title)
		f.Link = r.sb.basePath() + "/organizations/" + r.org.slug + "/issues/" + strconv.FormatInt(id, 10) + "/"
		return f, err
	}
	line.Newest, err = collect(r.Context(), r.sb.read(), scan, "SELECT id, short, title FROM issue WHERE project = ? AND status = 'unresolved' ORDER BY last_seen DESC LIMIT ?",
		p.id, issuesOfProject)
	return line, err
}
