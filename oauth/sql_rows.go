package oauth

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// purgeBatch bounds what one call deletes from each table.
const purgeBatch = 1000

// trimEvery is how many clients or tickets are put between two looks at whether
// there are too many. A look reads all of them, and with the table full, one
// at each put would slow down every other writer.
const trimEvery = 256

// clientStep is how far a client's end is put off at least: many users can have
// one client, and each would wait for the others to write that row.
const clientStep = time.Minute

func (s *SQLStore) PutClient(ctx context.Context, c Client) error {
	uris, err := json.Marshal(c.RedirectURIs)
	if err != nil {
		return fmt.Errorf("put client: %w", err)
	}
	return s.changeQuietly(ctx, "put client", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO clients VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at WHERE excluded.expires_at > clients.expires_at`,
			c.ID, c.Name, string(uris), c.AuthMethod, c.Secret[:], millis(c.Created), millis(c.Expires)); err != nil {
			return err
		}
		if s.clients.Add(1)%trimEvery != 1 {
			return nil
		}
		if err := s.hold(ctx, tx, lockClients, true); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM clients WHERE id IN (SELECT id FROM clients
			WHERE id <> ? AND NOT EXISTS (SELECT 1 FROM grants WHERE client_id = clients.id)
			ORDER BY expires_at DESC LIMIT ? OFFSET ?)`, c.ID, purgeBatch, MaxIdleClients-1)
		return err
	})
}

func (s *SQLStore) Client(ctx context.Context, id string) (Client, error) {
	c := Client{ID: id}
	var uris string
	var secret []byte
	var created, expires int64
	row := s.read.QueryRowContext(ctx, `SELECT name, redirect_uris, auth_method, secret_hash, created_at, expires_at
		FROM clients WHERE id = ?`, id)
	if err := row.Scan(&c.Name, &uris, &c.AuthMethod, &secret, &created, &expires); err != nil {
		return Client{}, wrap("get client", err)
	}
	if err := json.Unmarshal([]byte(uris), &c.RedirectURIs); err != nil {
		return Client{}, fmt.Errorf("get client: %w", err)
	}
	copy(c.Secret[:], secret)
	c.Created, c.Expires = instant(created), instant(expires)
	return c, nil
}

func (s *SQLStore) PutTicket(ctx context.Context, t Ticket) error {
	return s.changeQuietly(ctx, "put ticket", func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO tickets (key, kind, data, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (key) DO NOTHING`, t.Key[:], t.Kind, t.Data, millis(t.Created), millis(t.Expires))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return ErrConflict
		}
		if s.tickets.Add(1)%trimEvery != 1 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM tickets WHERE key IN (SELECT key FROM (SELECT key,
			row_number() OVER (PARTITION BY kind ORDER BY taken, created_at DESC) AS place FROM tickets) AS placed
			WHERE place > ? LIMIT ?)`, MaxTickets, purgeBatch)
		return err
	})
}

func (s *SQLStore) Ticket(ctx context.Context, key Hash, now time.Time) (Ticket, error) {
	t := Ticket{Key: key}
	var taken bool
	var created, expires int64
	row := s.read.QueryRowContext(ctx, `SELECT kind, data, created_at, expires_at, taken = 1 FROM tickets
		WHERE key = ? AND (taken = 1 OR expires_at > ?)`, key[:], millis(now))
	if err := row.Scan(&t.Kind, &t.Data, &created, &expires, &taken); err != nil {
		return Ticket{}, wrap("get ticket", err)
	}
	t.Created, t.Expires = instant(created), instant(expires)
	if taken {
		return t, ErrTaken
	}
	return t, nil
}

func (s *SQLStore) TakeTicket(ctx context.Context, key Hash, now time.Time) (Ticket, error) {
	var t Ticket
	var taken bool
	err := s.changeQuietly(ctx, "take ticket", func(ctx context.Context, tx *sql.Tx) error {
		// One statement decides: of two that race, the second sees taken = 1.
		res, err := tx.ExecContext(ctx, `UPDATE tickets SET taken = 1 WHERE key = ? AND taken = 0 AND expires_at > ?`,
			key[:], millis(now))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		taken = n == 0
		t, err = scanTicket(tx.QueryRowContext(ctx, `SELECT kind, data, created_at, expires_at FROM tickets
			WHERE key = ? AND taken = 1`, key[:]))
		return err
	})
	if err != nil {
		return Ticket{}, err
	}
	t.Key = key
	if taken {
		return t, ErrTaken
	}
	return t, nil
}

func scanTicket(row *sql.Row) (Ticket, error) {
	var t Ticket
	var created, expires int64
	if err := row.Scan(&t.Kind, &t.Data, &created, &expires); err != nil {
		return Ticket{}, err
	}
	t.Created, t.Expires = instant(created), instant(expires)
	return t, nil
}

const grantColumns = `grants.id, user_id, user_name, client_id, client_name, grants.resource, grants.scopes,
	grants.created_at, grants.expires_at, refresh_hash, rotated_at,
	upstream, upstream_expires_at, upstream_lease, upstream_generation`

func (s *SQLStore) PutGrant(ctx context.Context, g StoredGrant) (gaveWay []StoredGrant, err error) {
	err = s.change(ctx, "put grant", func(ctx context.Context, tx *sql.Tx) error {
		gaveWay = nil
		// Nobody drops its client meanwhile, and its user's other grants are
		// counted by one node at a time.
		if err := s.hold(ctx, tx, lockClients, false); err != nil {
			return err
		}
		if err := s.hold(ctx, tx, "user "+g.User, true); err != nil {
			return err
		}
		if g.ClientID == PersonalClient {
			if err := admitPersonal(ctx, tx, g.User); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			g.ID, g.User, g.UserName, g.ClientID, g.ClientName, g.Resource, strings.Join(g.Scopes, " "),
			millis(g.Created), millis(g.Expires), g.Refresh[:], millis(g.Rotated),
			g.Upstream.Sealed, millis(g.Upstream.Expires), millis(g.Upstream.Lease), g.Generation)
		if err != nil || g.ClientID == PersonalClient {
			return err
		}
		ofClient, err := boundGrants(ctx, tx, g, MaxGrantsPerUserClient, `client_id = ?`, g.ClientID)
		if err != nil {
			return err
		}
		ofUser, err := boundGrants(ctx, tx, g, MaxGrantsPerUser, `client_id <> ?`, PersonalClient)
		gaveWay = append(ofClient, ofUser...)
		return err
	})
	return gaveWay, err
}

// boundGrants keeps g and, of its user's other grants that match, the best. It
// returns the others.
func boundGrants(ctx context.Context, tx *sql.Tx, g StoredGrant, most int, match string, args ...any) (gone []StoredGrant, err error) {
	rows, err := tx.QueryContext(ctx, `DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE `+match+` AND user_id = ? AND id <> ?
		ORDER BY expires_at > ? DESC, CASE WHEN rotated_at > created_at THEN rotated_at ELSE created_at END DESC LIMIT ? OFFSET ?)
		RETURNING `+grantColumns,
		append(args, g.User, g.ID, millis(g.Created), purgeBatch, most-1)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row grantRow
		if err := rows.Scan(row.into()...); err != nil {
			return nil, err
		}
		gone = append(gone, row.grant())
	}
	return gone, rows.Err()
}

func (s *SQLStore) Grant(ctx context.Context, id string) (StoredGrant, error) {
	var row grantRow
	err := s.read.QueryRowContext(ctx, `SELECT `+grantColumns+` FROM grants WHERE id = ?`, id).Scan(row.into()...)
	if err != nil {
		return StoredGrant{}, wrap("get grant", err)
	}
	return row.grant(), nil
}

func (s *SQLStore) RecentGrant(ctx context.Context, id string) (StoredGrant, error) {
	known, ok := s.grants.look(id)
	if ok {
		return known.value, nil
	}
	g, err := s.Grant(ctx, id)
	if err != nil {
		return StoredGrant{}, err
	}
	known.value = g
	s.grants.remember(id, known)
	return g, nil
}

// grantRow is a grant as scanned, before its times and lists are unfolded.
type grantRow struct {
	g                                                     StoredGrant
	scopes                                                string
	refresh                                               []byte
	created, expires, rotated, upstreamExpires, leaseEnds int64
}

// into returns where grantColumns go, in their order.
func (r *grantRow) into() []any {
	g := &r.g
	return []any{&g.ID, &g.User, &g.UserName, &g.ClientID, &g.ClientName, &g.Resource, &r.scopes,
		&r.created, &r.expires, &r.refresh, &r.rotated,
		&g.Upstream.Sealed, &r.upstreamExpires, &r.leaseEnds, &g.Generation}
}

func (r *grantRow) grant() StoredGrant {
	g := r.g
	g.Scopes = strings.Fields(r.scopes)
	g.Created, g.Expires, g.Rotated = instant(r.created), instant(r.expires), instant(r.rotated)
	g.Upstream.Expires, g.Upstream.Lease = instant(r.upstreamExpires), instant(r.leaseEnds)
	copy(g.Refresh[:], r.refresh)
	return g
}

func (s *SQLStore) Issue(ctx context.Context, i Issuance) error {
	return s.changeQuietly(ctx, "issue tokens", func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE grants SET expires_at = ?, refresh_hash = ?,
			rotated_at = CASE WHEN ? THEN rotated_at ELSE ? END
			WHERE id = ? AND refresh_hash = ?`,
			millis(i.Expires), i.To[:], i.To == i.From, millis(i.Now), i.Access.Grant, i.From[:])
		if err := decided(ctx, tx, res, err, i.Access.Grant); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE clients SET expires_at = ?
			WHERE id = (SELECT client_id FROM grants WHERE id = ?) AND expires_at < ?`,
			millis(i.ClientExpires), i.Access.Grant, millis(i.ClientExpires.Add(-clientStep))); err != nil {
			return err
		}
		return insertAccess(ctx, tx, i.Access)
	})
}

func insertAccess(ctx context.Context, tx *sql.Tx, a AccessToken) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO access_tokens VALUES (?, ?, ?, ?, ?, ?)`,
		a.Hash[:], a.Grant, a.Resource, strings.Join(a.Scopes, " "), millis(a.Created), millis(a.Expires)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM access_tokens WHERE hash IN (SELECT hash FROM access_tokens
		WHERE grant_id = ? AND hash <> ? ORDER BY created_at DESC LIMIT ? OFFSET ?)`, a.Grant, a.Hash[:], purgeBatch, MaxTokensPerGrant-1)
	return err
}

const selectToken = `SELECT access_tokens.resource, access_tokens.scopes, access_tokens.created_at,
	access_tokens.expires_at, ` + grantColumns + ` FROM access_tokens JOIN grants ON grants.id = grant_id WHERE hash = ?`

func (s *SQLStore) Token(ctx context.Context, access Hash) (AccessToken, StoredGrant, error) {
	known, ok := s.tokens.look(access)
	if ok {
		return known.value.access, known.value.grant, nil
	}
	a := AccessToken{Hash: access}
	var scopes string
	var created, expires int64
	var row grantRow
	err := s.token.QueryRowContext(ctx, access[:]).Scan(append([]any{&a.Resource, &scopes, &created, &expires}, row.into()...)...)
	if err != nil {
		return AccessToken{}, StoredGrant{}, wrap("get token", err)
	}
	g := row.grant()
	a.Grant, a.Scopes = g.ID, strings.Fields(scopes)
	a.Created, a.Expires = instant(created), instant(expires)
	known.value = grantedToken{a, g}
	s.tokens.remember(access, known)
	return a, g, nil
}

func (s *SQLStore) SwapUpstream(ctx context.Context, grant string, generation int64, next Upstream) error {
	return s.changeQuietly(ctx, "swap upstream credential", func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE grants SET upstream = ?, upstream_expires_at = ?, upstream_lease = ?,
			upstream_generation = upstream_generation + 1 WHERE id = ? AND upstream_generation = ?`,
			next.Sealed, millis(next.Expires), millis(next.Lease), grant, generation)
		return decided(ctx, tx, res, err, grant)
	})
}

// decided tells why a compare-and-swap on a grant changed nothing.
func decided(ctx context.Context, tx *sql.Tx, res sql.Result, err error, grant string) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var one int
	if err := tx.QueryRowContext(ctx, `SELECT 1 FROM grants WHERE id = ?`, grant).Scan(&one); err != nil {
		return err
	}
	return ErrConflict
}

func (s *SQLStore) Revoke(ctx context.Context, grant string) error {
	return s.change(ctx, "revoke grant", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM grants WHERE id = ?`, grant) // and its tokens, by the foreign key
		return err
	})
}

func (s *SQLStore) Purge(ctx context.Context, now time.Time) (int, error) {
	var total int64
	err := s.change(ctx, "purge", func(ctx context.Context, tx *sql.Tx) error {
		total = 0
		// The order in which Issue and Revoke touch the tables: another would
		// have the server end one of two that wait for each other.
		if err := s.hold(ctx, tx, lockClients, true); err != nil {
			return err
		}
		for _, p := range []struct {
			query string
			until time.Time
		}{
			{`DELETE FROM tickets WHERE key IN (SELECT key FROM tickets WHERE expires_at < ? AND taken = 0 LIMIT ?)`, now},
			{`DELETE FROM tickets WHERE key IN (SELECT key FROM tickets WHERE expires_at < ? LIMIT ?)`, now.Add(-TicketMemory)},
			{`DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at < ? LIMIT ?)`, now},
			{`DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at < ? LIMIT ?)`, now},
			{`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE happened_at < ? LIMIT ?)`, now.Add(-EventMemory)},
			{`DELETE FROM clients WHERE id IN (SELECT id FROM clients WHERE expires_at < ?
				AND NOT EXISTS (SELECT 1 FROM grants WHERE client_id = clients.id) LIMIT ?)`, now},
			{`DELETE FROM access_tokens WHERE hash IN (SELECT hash FROM access_tokens WHERE expires_at < ? LIMIT ?)`, now},
		} {
			res, err := tx.ExecContext(ctx, p.query, millis(p.until), purgeBatch)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return int(total), err
}
