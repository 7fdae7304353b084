package sandbox

import (
	"database/sql"
	"encoding/json"
)

// settingBody is what a kind keeps of a setting.
type settingBody interface {
	// settle checks the body that a request has changed, and says what of it is
	// the setting's own.
	settle(r *request, t *setting) error
}

// settingKind is how settings of a kind are made, read, changed and deleted. How
// they are listed is the kind's own matter.
type settingKind[T any, B interface {
	*T
	settingBody
}] struct {
	name        string
	path        string // where one is made; below it each has its id
	read, write string // scopes
	fresh       T      // what a new one has of which its maker says nothing
	show        showSetting
	mayChange   func(*request, setting) error // nil: whoever has the scope may
	made, gone  int                           // statuses
}

func (k settingKind[T, B]) routes(reg func(pattern, scope string, h handler)) {
	one := k.path + "{setting}/"
	reg("POST "+k.path, k.write, k.add)
	reg("GET "+one, k.read, getSetting(k.name, k.show))
	reg("PUT "+one, k.write, k.change)
	reg("DELETE "+one, k.write, k.remove)
}

// add stores what the request says.
func (k settingKind[T, B]) add(r *request) (any, error) {
	body := k.fresh
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	now := seconds(r.sb.now())
	t := setting{kind: k.name, org: r.org.id, author: r.user.ID, created: now, updated: now}
	if r.project.id != 0 {
		t.projects = []int64{r.project.id}
	}
	if err := t.encode(r, B(&body)); err != nil {
		return nil, err
	}
	err := r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if err := t.insert(r.Context(), tx); err != nil {
			return err
		}
		return touchSeed(r.Context(), tx)
	})
	if err != nil {
		return nil, err
	}
	r.status = k.made
	return k.show(r, t)
}

// change changes what the request says of it, member by member, and leaves the
// rest.
func (k settingKind[T, B]) change(r *request) (any, error) {
	t, err := k.mine(r)
	if err != nil {
		return nil, err
	}
	members, err := bodyOf[map[string]json.RawMessage](t)
	if err != nil {
		return nil, err
	}
	if k.name == metricKind {
		delete(members, "projects") // their slugs, which older files have
	}
	if err := r.decode(&members); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var body T
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, badRequest("JSON parse error - %v", err)
	}
	if err := t.encode(r, B(&body)); err != nil {
		return nil, err
	}
	t.updated = seconds(r.sb.now())
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.Context(), "UPDATE setting SET name = ?, body = ?, updated = ? WHERE id = ?", t.name, string(t.body), t.updated, t.id)
		if err != nil {
			return err
		}
		if err := t.place(r.Context(), tx); err != nil {
			return err
		}
		return touchSeed(r.Context(), tx)
	})
	if err != nil {
		return nil, err
	}
	return k.show(r, t)
}

func (k settingKind[T, B]) remove(r *request) (any, error) {
	t, err := k.mine(r)
	if err != nil {
		return nil, err
	}
	return r.deleteSetting(t, k.gone)
}

// mine looks up {setting} of the path, which the user may change.
func (k settingKind[T, B]) mine(r *request) (setting, error) {
	t, err := r.setting(k.name)
	if err == nil && k.mayChange != nil {
		err = k.mayChange(r, t)
	}
	return t, err
}

// getSetting shows {setting} of the path.
func getSetting(kind string, show showSetting) handler {
	return func(r *request) (any, error) {
		t, err := r.setting(kind)
		if err != nil {
			return nil, err
		}
		return show(r, t)
	}
}

// deleteSetting deletes it and answers with the status.
func (r *request) deleteSetting(t setting, status int) (any, error) {
	r.status = status
	return nil, r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(r.Context(), "DELETE FROM setting WHERE id = ?", t.id); err != nil {
			return err
		}
		return touchSeed(r.Context(), tx)
	})
}
