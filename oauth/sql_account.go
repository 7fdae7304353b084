package oauth

import (
	"context"
	"database/sql"
	"math"
)

const maxGrantPage = 1000

func (s *SQLStore) Grants(ctx context.Context, q GrantQuery) ([]ListedGrant, error) {
	query := `SELECT ` + grantColumns + `, COALESCE(used_at, 0) FROM grants LEFT JOIN grant_uses ON grant_id = grants.id WHERE expires_at > ?`
	alive := int64(math.MinInt64)
	if !q.Alive.IsZero() {
		alive = millis(q.Alive)
	}
	args := []any{alive}
	if q.User != "" {
		query, args = query+` AND user_id = ?`, append(args, q.User)
	}
	if q.After != nil {
		created := millis(q.After.Created)
		query += ` AND (created_at < ? OR created_at = ? AND id < ?)`
		args = append(args, created, created, q.After.ID)
	}
	query += ` ORDER BY created_at DESC, id DESC LIMIT ?`
	rows, err := s.read.QueryContext(ctx, query, append(args, min(q.Limit, maxGrantPage))...)
	if err != nil {
		return nil, wrap("list grants", err)
	}
	defer rows.Close()
	var grants []ListedGrant
	for rows.Next() {
		var row grantRow
		var used int64
		if err := rows.Scan(append(row.into(), &used)...); err != nil {
			return nil, wrap("list grants", err)
		}
		grants = append(grants, ListedGrant{StoredGrant: row.grant(), Used: instant(used)})
	}
	return grants, wrap("list grants", rows.Err())
}

func (s *SQLStore) PutUses(ctx context.Context, uses []Use) error {
	return s.changeQuietly(ctx, "put uses", func(ctx context.Context, tx *sql.Tx) error {
		for _, use := range uses {
			if _, err := tx.ExecContext(ctx, `INSERT INTO grant_uses (grant_id, used_at)
				SELECT id, CAST(? AS BIGINT) FROM grants WHERE id = ?
				ON CONFLICT (grant_id) DO UPDATE SET used_at = excluded.used_at WHERE excluded.used_at > grant_uses.used_at`,
				millis(use.Time), use.Grant); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *SQLStore) PutSession(ctx context.Context, session Session) error {
	return s.changeQuietly(ctx, "put session", func(ctx context.Context, tx *sql.Tx) error {
		if err := s.hold(ctx, tx, "user "+session.User, true); err != nil {
			return err
		}
		admin := 0
		if session.Admin {
			admin = 1
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO sessions (hash, user_id, user_name, admin, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?)`, session.Key[:], session.User, session.UserName, admin,
			millis(session.Created), millis(session.Expires)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions
			WHERE user_id = ? AND hash <> ? ORDER BY created_at DESC LIMIT ? OFFSET ?)`,
			session.User, session.Key[:], purgeBatch, MaxSessionsPerUser-1)
		return err
	})
}

func (s *SQLStore) Session(ctx context.Context, key Hash) (Session, error) {
	session := Session{Key: key}
	var admin, created, expires int64
	err := s.read.QueryRowContext(ctx, `SELECT user_id, user_name, admin, created_at, expires_at FROM sessions WHERE hash = ?`, key[:]).
		Scan(&session.User, &session.UserName, &admin, &created, &expires)
	if err != nil {
		return Session{}, wrap("get session", err)
	}
	session.Admin, session.Created, session.Expires = admin == 1, instant(created), instant(expires)
	return session, nil
}

func (s *SQLStore) EndSession(ctx context.Context, key Hash) error {
	return s.change(ctx, "end session", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash = ?`, key[:])
		return err
	})
}

func (s *SQLStore) Canary(ctx context.Context) ([]byte, error) {
	var sealed []byte
	err := s.write.QueryRowContext(ctx, `SELECT sealed FROM canary WHERE id = 1`).Scan(&sealed)
	return sealed, wrap("get canary", err)
}

func (s *SQLStore) SwapCanary(ctx context.Context, old, next []byte) error {
	return s.change(ctx, "swap canary", func(ctx context.Context, tx *sql.Tx) error {
		query, args := `INSERT INTO canary (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING`, []any{next}
		if old != nil {
			query, args = `UPDATE canary SET sealed = ? WHERE id = 1 AND sealed = ?`, []any{next, old}
		}
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return ErrConflict
	})
}

// admitPersonal is a part of PutGrant, under the lock of the user.
func admitPersonal(ctx context.Context, tx *sql.Tx, user string) error {
	var have int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM grants WHERE user_id = ? AND client_id = ?`, user, PersonalClient).Scan(&have); err != nil {
		return err
	}
	if have >= MaxPersonalTokens {
		return ErrTooMany
	}
	return nil
}
