package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/seed"
)

// seedLife is for how long the seed passes for the latest news.
const seedLife = 6 * time.Hour

// seed tells every project's story through ingest, with the clock set back,
// and notes where it ends.
func (s *Sandbox) seed(ctx context.Context, tx *sql.Tx) error {
	now := s.now()
	for _, o := range seed.Orgs() {
		if err := setUp(ctx, tx, o, now); err != nil {
			return fmt.Errorf("%s: %w", o.Slug, err)
		}
		for _, p := range o.Projects {
			b := &batch{ctx: ctx, tx: tx, tags: payload.Object{"mark": Mark(o.Slug)}}
			err := tx.QueryRowContext(ctx, "SELECT "+projectColumns+" FROM project p WHERE p.id = ?", p.ID).Scan(b.project.fields()...)
			if errors.Is(err, sql.ErrNoRows) { // somebody has a project of that name
				continue
			}
			if err != nil {
				return err
			}
			for _, step := range p.Steps(o.Slug, Mark(o.Slug), now) {
				if err := b.step(step); err != nil {
					return fmt.Errorf("%s/%s at %s: %w", o.Slug, p.Slug, step.At.Format(time.RFC3339), err)
				}
			}
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO seeding(at, "+strings.Join(growing, ", ")+") VALUES (?, "+newestRows()+")", seconds(now))
	return err
}

// noteSeed takes what there is for the seed.
func noteSeed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE seeding SET ("+strings.Join(growing, ", ")+") = ("+newestRows()+")")
	return err
}

// growing are the tables of which one at least gets a row by whatever anybody
// sends or changes: what a person does to an issue leaves an activity.
var growing = []string{"item", "activity", "checkin", "feedback", "attachment", "segment"}

func newestRows() string {
	newest := make([]string, len(growing))
	for i, table := range growing {
		newest[i] = "(SELECT coalesce(max(id), 0) FROM " + table + ")"
	}
	return strings.Join(newest, ", ")
}

// seeding is what is left of the seed.
type seeding struct {
	at        time.Time // zero: the database was created empty
	untouched bool      // it is all that there is
	gone      bool      // nothing is left, nor of what was added to it
}

func seedState(ctx context.Context, tx *sql.Tx) (s seeding, err error) {
	var at float64
	err = tx.QueryRowContext(ctx, "SELECT at, ("+strings.Join(growing, ", ")+") = ("+newestRows()+`),
		NOT EXISTS (SELECT 1 FROM setting WHERE author <> 0 OR updated <> created UNION ALL SELECT 1 FROM monitor WHERE NOT upserted UNION ALL SELECT 1 FROM item UNION ALL SELECT 1 FROM checkin UNION ALL SELECT 1 FROM feedback UNION ALL SELECT 1 FROM attachment UNION ALL SELECT 1 FROM session_count) FROM seeding`).
		Scan(&at, &s.untouched, &s.gone)
	if errors.Is(err, sql.ErrNoRows) {
		return seeding{}, nil
	}
	s.at = fromSeconds(at)
	return s, err
}

// renewSeed tells the story anew when it is old and nobody has added to it.
// Accounts, keys, tokens and clients stay, and issues get the ids they had, so
// that sign-ins, DSNs and links stay good.
func (s *Sandbox) renewSeed(ctx context.Context, tx *sql.Tx) error {
	seeded, err := seedState(ctx, tx)
	if err != nil || seeded.at.IsZero() {
		return err
	}
	age := s.now().Sub(seeded.at)
	if age.Abs() < seedLife {
		return nil
	}
	if !seeded.untouched && !seeded.gone {
		s.log.Info("the sandbox keeps its old data, because it holds more than the seed; move the file away to start anew",
			slog.Duration("age", age.Round(time.Hour)))
		return nil
	}
	// In this order: each refers to the next.
	for _, table := range []string{"setting", "segment", "replay_link", "attachment", "feedback", "checkin", "monitor", "activity", "item", "issue", "session", "session_user", "session_count", "release_project", "release_commit", "deploy", "release", "seeding"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE project SET shorts = 0"); err != nil {
		return err
	}
	if err := s.accounts(ctx, tx); err != nil { // this release's story may have more of them
		return err
	}
	return s.seed(ctx, tx)
}

func (b *batch) step(step seed.Step) error {
	b.Received = step.At
	switch {
	case step.Deploy != nil:
		return b.deploy(step.Deploy)
	case step.Change != nil:
		return b.change(step)
	}
	env, err := payload.ParseEnvelope(step.Envelope)
	if err != nil {
		return err
	}
	_, err = b.ingest(env)
	return err
}

// deploy tells of a release and its commits before anything is sent from it.
func (b *batch) deploy(d *seed.Deploy) error {
	if err := b.release(d.Version, false); err != nil {
		return err
	}
	up := releaseUpdate{Version: d.Version, released: b.Received}
	for _, c := range d.Commits {
		up.Commits = append(up.Commits, sentCommit{ID: c.ID, Message: c.Message, AuthorName: c.Author, AuthorEmail: c.Email, Repository: c.Repository, at: c.At})
	}
	if err := up.apply(b.ctx, b.tx, b.project.org); err != nil {
		return err
	}
	done := deploy{environment: "production", finished: seconds(b.Received)}
	err := b.tx.QueryRowContext(b.ctx, "SELECT id FROM release WHERE org = ? AND version = ?", b.project.org, d.Version).Scan(&done.release)
	if err != nil {
		return err
	}
	return done.insert(b.ctx, b.tx)
}

// change does what a person did, in the name of the organization's first member.
func (b *batch) change(step seed.Step) error {
	var id, user int64
	err := b.tx.QueryRowContext(b.ctx, `SELECT issue, (SELECT min(user) FROM member WHERE org = ?) FROM item
		WHERE event_id = ? AND project = ? AND kind = 'error'`, b.project.org, step.Change.EventID, b.project.id).Scan(&id, &user)
	if err != nil {
		return err
	}
	up := &issueUpdate{ctx: b.ctx, q: b.tx, issue: id, user: user, at: seconds(b.Received)}
	if step.Change.Assign != "" {
		if err := up.assign(step.Change.Assign); err != nil {
			return err
		}
	}
	if step.Change.Note != "" {
		if err := up.note("note", payload.Object{"text": step.Change.Note}); err != nil {
			return err
		}
	}
	switch step.Change.Status {
	case resolved:
		return up.resolve(nil)
	case ignored:
		return up.ignore("archived_until_escalating", nil)
	}
	return nil
}
