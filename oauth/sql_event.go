package oauth

import (
	"context"
	"database/sql"
	"math/rand/v2"
)

const maxEventPage = 1000

func (s *SQLStore) AppendEvents(ctx context.Context, events []Event) error {
	return s.changeQuietly(ctx, "append events", func(ctx context.Context, tx *sql.Tx) error {
		trim := map[Event]bool{} // kinds, with users
		for _, e := range events {
			if _, err := tx.ExecContext(ctx, `INSERT INTO events (id, happened_at, kind, outcome, client_id, user_id, by_user, grant_id, source, resource, detail)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
				e.ID, millis(e.Time), e.Kind, e.Outcome, e.Client, e.User, e.By, e.Grant, e.Source, e.Resource, e.Detail); err != nil {
				return err
			}
			if rand.N(trimEvery) == 0 {
				trim[Event{Kind: e.Kind, User: e.User}] = true
			}
		}
		for of := range trim {
			if err := trimEvents(ctx, tx, of); err != nil {
				return err
			}
		}
		return nil
	})
}

// trimEvents drops what there is too much of one kind: of a user's first, so
// that they crowd out their own before others'.
func trimEvents(ctx context.Context, tx *sql.Tx, of Event) error {
	const beyond = ` ORDER BY happened_at DESC LIMIT ? OFFSET ?)`
	if of.User != "" {
		if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE user_id = ? AND kind = ?`+beyond,
			of.User, of.Kind, purgeBatch, MaxUserEvents); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE kind = ?`+beyond, of.Kind, purgeBatch, MaxEvents)
	return err
}

func (s *SQLStore) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	query := `SELECT id, happened_at, kind, outcome, client_id, user_id, by_user, grant_id, source, resource, detail FROM events WHERE happened_at >= ?`
	args := []any{millis(q.Since)}
	if q.User != "" {
		query, args = query+` AND user_id = ?`, append(args, q.User)
	}
	later, order := `>`, ``
	if q.Newest {
		later, order = `<`, ` DESC`
	}
	if q.After != nil {
		query += ` AND (happened_at ` + later + ` ? OR happened_at = ? AND id ` + later + ` ?)`
		args = append(args, millis(q.After.Time), millis(q.After.Time), q.After.ID)
	}
	query += ` ORDER BY happened_at` + order + `, id` + order + ` LIMIT ?`
	rows, err := s.read.QueryContext(ctx, query, append(args, min(q.Limit, maxEventPage))...)
	if err != nil {
		return nil, wrap("read events", err)
	}
	defer rows.Close()
	var events []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Kind, &e.Outcome, &e.Client, &e.User, &e.By, &e.Grant, &e.Source, &e.Resource, &e.Detail); err != nil {
			return nil, wrap("read events", err)
		}
		e.Time = instant(at)
		events = append(events, e)
	}
	return events, wrap("read events", rows.Err())
}
