package sandbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	statusMissed  = "missed"
	statusTimeout = "timeout"

	never      = 1e12 // seconds; when nothing is due
	maxNoticed = 25   // runs that one request or envelope notes; what is left, the next request does
	maxMissed  = 50   // in a row; then the job is not asked for until it is heard of
	maxEnvs    = 100  // of a monitor
)

// watched is a monitor in one environment.
type watched struct {
	monitor
	env      string
	envMuted bool
	next     func(time.Time) time.Time
}

// notice notes the runs of an organization that did not take place and those
// that did not end in time. Nobody waits for that moment: whoever asks next
// finds everything as if it had been noted then. What is late elsewhere is no
// concern of who asks.
func (s *Sandbox) notice(ctx context.Context, org int64) error {
	now := seconds(s.now())
	var late bool
	err := s.read().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM monitor_env WHERE org = ? AND due < ?)", org, now).Scan(&late)
	if err != nil || !late {
		return err
	}
	if err := s.write(ctx, func(tx *sql.Tx) error { return s.noticeLate(ctx, tx, org, now) }); err != nil {
		return fmt.Errorf("notice late runs: %w", err)
	}
	return nil
}

func (s *Sandbox) noticeLate(ctx context.Context, tx *sql.Tx, org int64, now float64) error {
	seeded, err := seedState(ctx, tx)
	if err != nil {
		return err
	}
	for range maxNoticed {
		if more, err := s.noticeNext(ctx, tx, org, now); err != nil || !more {
			if err != nil {
				return err
			}
			break
		}
	}
	if !seeded.untouched { // the clock alone adds nothing to a seed
		return nil
	}
	return noteSeed(ctx, tx)
}

// noticeNext notes what has been due for longest, so that all is noted in the
// order in which it happened.
func (s *Sandbox) noticeNext(ctx context.Context, tx *sql.Tx, org int64, now float64) (more bool, err error) {
	var w watched
	row := tx.QueryRowContext(ctx, "SELECT e.env, e.muted, "+monitorColumns+" JOIN monitor_env e ON e.monitor = m.id WHERE e.org = ? AND e.due < ? ORDER BY e.due, m.id, e.env LIMIT 1", org, now)
	err = w.monitor.scan(func(dest ...any) error { return row.Scan(append([]any{&w.env, &w.envMuted}, dest...)...) })
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if w.next, err = w.config.next(); err != nil {
		return false, err
	}
	b := &batch{ctx: ctx, tx: s.statements.in(tx), project: w.project}
	if err := b.catchUp(w, now, 1); err != nil {
		return false, fmt.Errorf("monitor %d: %w", w.id, err)
	}
	return true, nil
}

// watch makes sure that the environment of a monitor is looked after, and
// brings it up to now. It is false for one environment too many.
func (b *batch) watch(m monitor, env string) (w watched, ok bool, err error) {
	w = watched{monitor: m, env: env}
	if w.next, err = m.config.next(); err != nil {
		return w, false, err
	}
	now := seconds(b.Received)
	_, err = b.tx.ExecContext(b.ctx, `INSERT INTO monitor_env(monitor, env, created, due, org) SELECT ?1, ?2, ?3, ?4, ?6
		WHERE (SELECT count(*) FROM monitor_env WHERE monitor = ?1) < ?5 ON CONFLICT DO NOTHING`, m.id, env, now, never, maxEnvs, m.project.org)
	if err != nil {
		return w, false, err
	}
	err = b.tx.QueryRowContext(b.ctx, "SELECT muted FROM monitor_env WHERE monitor = ? AND env = ?", m.id, env).Scan(&w.envMuted)
	if errors.Is(err, sql.ErrNoRows) {
		return w, false, nil
	}
	if err != nil {
		return w, false, err
	}
	return w, true, b.catchUp(w, now, maxNoticed-b.noticed)
}

// catchUp lets everything happen, in the order of time, that was due before
// now, and sets when the next thing is.
func (b *batch) catchUp(w watched, now float64, most int) error {
	received := b.Received
	defer func() { b.Received = received }()
	for {
		at, late, err := b.upcoming(w)
		if err != nil {
			return err
		}
		if at >= now || most == 0 {
			_, err = b.tx.ExecContext(b.ctx, "UPDATE monitor_env SET due = ? WHERE monitor = ? AND env = ?", at, w.id, w.env)
			return err
		}
		most--
		b.noticed++
		b.Received = fromSeconds(at)
		if late.guid == "" {
			if late, err = b.miss(w, late); err != nil {
				return err
			}
		} else if _, err = b.tx.ExecContext(b.ctx, "UPDATE checkin SET status = ?, updated = ? WHERE monitor = ? AND guid = ?", statusTimeout, at, w.id, late.guid); err != nil {
			return err
		}
		late.updated = at
		if err := b.judge(w, late); err != nil {
			return err
		}
	}
}

// upcoming is what happens next if nothing is heard: a run in progress times
// out, or one that does not begin, which has no guid yet, is missed.
func (b *batch) upcoming(w watched) (at float64, c run, err error) {
	at = never
	if w.status != active {
		return at, c, nil
	}
	var running sql.NullFloat64
	var guid sql.NullString
	err = b.tx.QueryRowContext(b.ctx, "SELECT min(updated), guid FROM checkin WHERE monitor = ? AND env = ? AND status = 'in_progress'", w.id, w.env).Scan(&running, &guid)
	if err != nil {
		return at, c, err
	}
	if running.Valid {
		at = running.Float64 + w.config.runtime().Seconds()
		c = run{guid: guid.String, env: w.env, status: statusTimeout}
	}
	last, heard, missing, err := b.lastRuns(w)
	if err != nil || heard == 0 || missing >= maxMissed {
		return at, c, err
	}
	due := w.next(fromSeconds(math.Max(last, w.since)))
	missed := seconds(due.Add(w.config.margin()))
	// Of a job that nobody has heard of for so long, nobody wants to hear.
	if due.IsZero() || missed >= at || missed > heard+keepFor.Seconds() {
		return at, c, nil
	}
	return missed, run{env: w.env, status: statusMissed, started: seconds(due)}, nil
}

// lastRuns are when the last run was due or began, when the last one began, and
// how many did not since then, of which it counts only so many as matter.
func (b *batch) lastRuns(w watched) (last, heard float64, missing int, err error) {
	err = b.tx.QueryRowContext(b.ctx, `SELECT coalesce((SELECT max(started) FROM checkin WHERE monitor = ?1 AND env = ?2), 0),
		coalesce((SELECT started FROM checkin WHERE monitor = ?1 AND env = ?2 AND status <> 'missed' ORDER BY started DESC LIMIT 1), 0)`, w.id, w.env).Scan(&last, &heard)
	if err != nil {
		return 0, 0, 0, err
	}
	err = b.tx.QueryRowContext(b.ctx, "SELECT count(*) FROM (SELECT 1 FROM checkin WHERE monitor = ? AND env = ? AND started > ? LIMIT ?)", w.id, w.env, heard, maxMissed).Scan(&missing)
	return last, heard, missing, err
}

// miss stores a run that did not take place. Its id is the same whenever that
// is noted.
func (b *batch) miss(w watched, c run) (run, error) {
	sum := sha256.Sum256([]byte(w.slug + " " + strconv.FormatInt(w.project.id, 10) + " " + c.env + " " + stamp(c.started)))
	c.guid = hex.EncodeToString(sum[:16])
	var taken bool // by a sender that has guessed it
	if err := b.tx.QueryRowContext(b.ctx, "SELECT EXISTS (SELECT 1 FROM checkin WHERE monitor = ? AND guid = ?)", w.id, c.guid).Scan(&taken); err != nil {
		return c, err
	}
	if taken {
		c.guid = randomHex(16)
	}
	_, err := b.tx.ExecContext(b.ctx, "INSERT INTO checkin(monitor, guid, env, status, started, updated, expected) VALUES (?, ?, ?, ?, ?, ?, ?)",
		w.id, c.guid, c.env, c.status, c.started, seconds(b.Received), c.started)
	b.stored++
	return c, err
}

// tell stores what a check-in says of a run: that it begins or how it ended.
// What a job said of its end stays; what only the clock said does not.
func (b *batch) tell(w watched, id string, o payload.Object) (c run, changed bool, err error) {
	now := seconds(b.Received)
	c = run{guid: id, env: w.env, status: runStatus(payload.Text(o["status"])), started: now, updated: now, trace: payload.HexID(payload.At(o, "contexts", "trace", "trace_id"), 32)}
	if took, ok := payload.Number(o["duration"]); ok && took >= 0 && took <= maxDuration {
		c.duration = sql.NullFloat64{Float64: took * 1000, Valid: true}
	}
	var found run
	err = b.tx.QueryRowContext(b.ctx, `SELECT guid, env, status, started FROM checkin WHERE monitor = ?1
		AND (guid = ?2 AND status IN ('in_progress', 'timeout') OR ?2 = ?3 AND env = ?4 AND status = 'in_progress') ORDER BY started DESC, id DESC LIMIT 1`,
		w.id, id, zeroID, w.env).Scan(&found.guid, &found.env, &found.status, &found.started)
	// Without an id, what begins is a run of its own.
	if err == nil && (id != zeroID || c.status != inProgress || payload.Text(o["check_in_id"]) != "") {
		if found.status == statusTimeout && c.status == inProgress {
			return found, false, nil
		}
		c.guid, c.env, c.started = found.guid, found.env, found.started
		if !c.duration.Valid && c.status != inProgress {
			c.duration = sql.NullFloat64{Float64: max(0, now-c.started) * 1000, Valid: true}
		}
		_, err = b.tx.ExecContext(b.ctx, "UPDATE checkin SET status = ?, duration = coalesce(?, duration), updated = ? WHERE monitor = ? AND guid = ?",
			c.status, c.duration, now, w.id, c.guid)
		return c, true, err
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, false, err
	}
	if id == zeroID {
		c.guid = randomHex(16)
	}
	done, err := b.tx.ExecContext(b.ctx, `INSERT INTO checkin(monitor, guid, env, status, duration, started, updated, trace_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, w.id, c.guid, c.env, c.status, c.duration, now, now, c.trace)
	if err != nil {
		return c, false, err
	}
	n, err := done.RowsAffected()
	b.stored += n
	return c, n > 0, err
}
