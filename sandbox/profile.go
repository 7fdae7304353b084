package sandbox

import (
	"database/sql"
	"errors"
	"fmt"

	"roundhouse/sandbox/payload"
)

// What one answer is made of.
const (
	maxProfiles     = 100
	maxProfileBytes = 30 << 20 // unpacked
)

// profile stores a profile, or a chunk of one, that was not sent before. Formats
// that are not read are dropped: what came with them is good.
func (b *batch) profile(raw []byte) error {
	p, err := payload.ParseProfile(raw, b.Received)
	if errors.Is(err, payload.ErrProfileFormat) {
		return nil
	}
	if err != nil {
		return &badPayload{err}
	}
	body, err := p.Body()
	if err != nil {
		return fmt.Errorf("encode profile: %w", err)
	}
	a := p.Attrs()
	b.inherit(a)
	it := item{kind: "profile", event: p.ID, trace: p.Trace(), ts: seconds(p.Start), attrs: a}
	row, err := it.encode()
	if err != nil {
		return err
	}
	if row.body, err = deflate(body); err != nil {
		return fmt.Errorf("pack profile: %w", err)
	}
	return b.do(func() error { return b.insertProfile(row) })
}

func (b *batch) insertProfile(r row) error {
	var known bool
	err := b.tx.QueryRowContext(b.ctx, "SELECT EXISTS (SELECT 1 FROM item WHERE event_id = ? AND event_id <> '' AND kind = 'profile' AND project = ?)",
		r.event, b.project.id).Scan(&known)
	if err != nil || known {
		return err
	}
	return b.insertRow(r)
}

// storedProfile is a profile that was kept, with what of it is asked for.
type storedProfile struct {
	id      int64
	project int64
	start   float64
	packed  []byte
	window  payload.Window
}

// profileColumns are of item it; window says what is asked for.
func profileColumns(window string) string { return "it.id, it.project, it.ts, it.body, " + window }

func (sp *storedProfile) scan(scan func(...any) error) error {
	return scan(&sp.id, &sp.project, &sp.start, &sp.packed, &sp.window.From, &sp.window.To, &sp.window.Thread)
}

func (sp *storedProfile) read() (p *payload.Profile, size int, err error) {
	raw, err := inflate(sp.packed)
	if err == nil {
		p, err = payload.StoredProfile(raw, fromSeconds(sp.start))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("stored profile %d: %w", sp.id, err)
	}
	return p, len(raw), nil
}

// profiles reads the profiles that a statement finds, one after the other, until
// they are more than an answer is made of.
func (r *request) profiles(use func(*storedProfile, *payload.Profile), statement string, args []any) error {
	total := 0
	_, err := searched(r, func(rows *sql.Rows) (none struct{}, err error) {
		if total > maxProfileBytes {
			return none, nil
		}
		var sp storedProfile
		if err := sp.scan(rows.Scan); err != nil {
			return none, err
		}
		p, size, err := sp.read()
		if err != nil {
			return none, err
		}
		total += size
		use(&sp, p)
		return none, nil
	}, statement, args)
	return err
}
