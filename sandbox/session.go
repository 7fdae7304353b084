package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	recountFor   = 5 * 24 * time.Hour // for as long a single session may be told of again
	usersPerItem = 10                 // a project keeps as many times more users of sessions than items of a kind
	healthPeriod = 14 * 24 * time.Hour
)

// stateColumns are those of session_count, by payload.SessionState.
var stateColumns = [payload.SessionStates]string{"healthy", "errored", "unhandled", "abnormal", "crashed"}

// session counts one session, or one that went worse than was thought.
func (b *batch) session(raw []byte) error {
	s, ok, err := payload.ParseSession(raw, b.Received)
	if err != nil {
		return &badPayload{err}
	}
	if !ok {
		return nil
	}
	return b.do(func() error { return b.count(s) })
}

// sessions counts many.
func (b *batch) sessions(raw []byte) error {
	list, err := payload.ParseSessions(raw, b.Received)
	if err != nil {
		return &badPayload{err}
	}
	return b.do(func() error {
		for _, s := range list {
			if err := b.count(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) count(s payload.Sessions) error {
	bucket, before, err := b.counted(s.ID)
	if err != nil {
		return err
	}
	state := s.Worst()
	if bucket != 0 {
		if state <= before {
			return nil
		}
		s.Counts[before]--
	} else if bucket, err = b.bucket(s); err != nil {
		return err
	}
	set, args := []string{}, []any{}
	for i, n := range s.Counts {
		if n != 0 {
			set, args = append(set, stateColumns[i]+" = "+stateColumns[i]+" + ?"), append(args, n)
		}
	}
	if len(set) == 0 {
		return nil
	}
	if _, err := b.tx.ExecContext(b.ctx, "UPDATE session_count SET "+strings.Join(set, ", ")+" WHERE id = ?", append(args, bucket)...); err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	if err := b.remember(s, bucket, state); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	b.stored++
	return outgrow(b.ctx, b.tx)
}

// counted tells where a session was counted already; 0: nowhere.
func (b *batch) counted(sid string) (bucket int64, state payload.SessionState, err error) {
	if sid == "" {
		return 0, 0, nil
	}
	err = b.tx.QueryRowContext(b.ctx, "SELECT bucket, state FROM session WHERE project = ? AND sid = ?", b.project.id, sid).Scan(&bucket, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return bucket, state, err
}

func (b *batch) bucket(s payload.Sessions) (id int64, err error) {
	if err := b.release(s.Release, false); err != nil {
		return 0, err
	}
	// DO NOTHING would return no row.
	err = b.tx.QueryRowContext(b.ctx, `INSERT INTO session_count(project, release, environment, hour) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET healthy = healthy RETURNING id`, b.project.id, s.Release, s.Environment, seconds(s.Started.Truncate(time.Hour))).Scan(&id)
	return id, err
}

// remember notes whose the session was, and that it was counted.
func (b *batch) remember(s payload.Sessions, bucket int64, state payload.SessionState) error {
	if s.User != "" {
		_, err := b.tx.ExecContext(b.ctx, `INSERT INTO session_user(bucket, did, state) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET state = max(state, excluded.state)`, bucket, s.User, state)
		if err != nil {
			return err
		}
	}
	if s.ID == "" {
		return nil
	}
	_, err := b.tx.ExecContext(b.ctx, `INSERT INTO session(project, sid, bucket, state, ts) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET state = excluded.state`, b.project.id, s.ID, bucket, state, seconds(b.Received))
	return err
}

// retainSessions deletes counts as items are, and what is known of single
// sessions and of users sooner.
func (s *Sandbox) retainSessions(ctx context.Context, tx *sql.Tx, project int64) (deleted int64, err error) {
	for _, one := range []struct {
		statement string
		args      []any
	}{
		{"DELETE FROM session WHERE project = ?1 AND (ts < ?2 OR sid IN (SELECT sid FROM session WHERE project = ?1 ORDER BY ts DESC LIMIT ?3 OFFSET ?4))",
			[]any{project, seconds(s.now().Add(-recountFor)), retainBatch, s.keep}},
		{`DELETE FROM session_user WHERE bucket IN (SELECT id FROM (SELECT c.id, sum(count(*)) OVER (ORDER BY c.hour DESC, c.id DESC) AS total
			FROM session_count c JOIN session_user u ON u.bucket = c.id WHERE c.project = ?1 GROUP BY c.id) WHERE total > ?2)
			AND (SELECT count(*) FROM session_user) > ?2`, []any{project, usersPerItem * s.keep}},
		{`DELETE FROM session_count WHERE project = ?1 AND (hour < ?2 OR
			id IN (SELECT id FROM session_count WHERE project = ?1 ORDER BY hour DESC LIMIT ?3 OFFSET ?4))`,
			[]any{project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep}},
	} {
		res, err := tx.ExecContext(ctx, one.statement, one.args...)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}

// tally is how many sessions went in which way, and how many users had them,
// each user counted by the worst.
type tally struct{ sessions, users [payload.SessionStates]int64 }

// tallyKey says of what a tally is; what is not asked for is zero.
type tallyKey struct {
	project              int64
	release, environment string
	interval             int64
}

// tallyBy says by what to tell tallies apart.
type tallyBy struct {
	project, release, environment bool
	start                         time.Time
	interval                      time.Duration // 0: all in one
}

// columns are SQL for the members of a tallyKey.
func (by tallyBy) columns() (text string, args []any) {
	parts := []string{"0", "''", "''", "0"}
	for i, c := range []struct {
		asked bool
		sql   string
	}{{by.project, "it.project"}, {by.release, "it.release"}, {by.environment, "it.environment"}, {by.interval > 0, "CAST((it.ts - ?) / ? AS INTEGER)"}} {
		if c.asked {
			parts[i] = c.sql
		}
	}
	if by.interval > 0 {
		args = []any{seconds(by.start), by.interval.Seconds()}
	}
	return strings.Join(parts, ", "), args
}

// The rows that a search of sessions is over: items but for their table.
const (
	sessionRows = "(SELECT 'session' AS kind, project, release, environment, hour AS ts, '{}' AS attrs, healthy, errored, unhandled, abnormal, crashed FROM session_count) it"
	userRows    = `(SELECT 'session' AS kind, c.project, c.release, c.environment, c.hour AS ts, '{}' AS attrs, u.did, u.state
		FROM session_count c JOIN session_user u ON u.bucket = c.id) it`
)

// tallies counts the sessions that match, and their users.
func (r *request) tallies(cond *query.Cond, by tallyBy) (map[tallyKey]*tally, error) {
	out := map[tallyKey]*tally{}
	at := func(k tallyKey) *tally {
		if out[k] == nil {
			out[k] = &tally{}
		}
		return out[k]
	}
	where, args := cond.SQL()
	columns, of := by.columns()
	args = append(of, args...)
	_, err := searched(r, func(rows *sql.Rows) (_ struct{}, err error) {
		var k tallyKey
		var n [payload.SessionStates]int64
		err = rows.Scan(&k.project, &k.release, &k.environment, &k.interval, &n[0], &n[1], &n[2], &n[3], &n[4])
		at(k).sessions = n
		return struct{}{}, err
	}, "SELECT "+columns+", sum(healthy), sum(errored), sum(unhandled), sum(abnormal), sum(crashed) FROM "+sessionRows+
		" JOIN project p ON p.id = it.project WHERE "+where+" GROUP BY 1, 2, 3, 4", args)
	if err != nil {
		return nil, err
	}
	_, err = searched(r, func(rows *sql.Rows) (_ struct{}, err error) {
		var k tallyKey
		var state, n int64
		if err = rows.Scan(&k.project, &k.release, &k.environment, &k.interval, &state, &n); err == nil {
			at(k).users[state] = n
		}
		return struct{}{}, err
	}, "SELECT c0, c1, c2, c3, state, count(*) FROM (SELECT "+tallyColumns(columns)+", it.did, max(it.state) AS state FROM "+userRows+
		" JOIN project p ON p.id = it.project WHERE "+where+" GROUP BY 1, 2, 3, 4, 5) GROUP BY 1, 2, 3, 4, 5", args)
	return out, err
}

// tallyColumns gives the four columns of a tallyKey names.
func tallyColumns(columns string) string {
	parts := strings.SplitN(columns, ", ", 4)
	for i := range parts {
		parts[i] += fmt.Sprintf(" AS c%d", i)
	}
	return strings.Join(parts, ", ")
}

func total(counts [payload.SessionStates]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// crashRate is from 0 to 1; ok is false when there was nothing to crash.
func crashRate(counts [payload.SessionStates]int64) (rate float64, ok bool) {
	all := total(counts)
	if all == 0 {
		return 0, false
	}
	return float64(counts[payload.Crashed]) / float64(all), true
}
