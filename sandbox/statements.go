package sandbox

import (
	"context"
	"database/sql"
	"fmt"
)

// maxStatements bounds those kept compiled. Ingest has some dozens; whatever
// makes texts of its own at every call must not fill the memory.
const maxStatements = 100

// statements keeps what ingest executes compiled, for the one connection that
// writes: to compile a statement takes longer than to run it.
type statements struct {
	ready map[string]*sql.Stmt
	met   map[string]bool // not compiled yet
}

// prepare compiles what was met since the last time. Within a transaction that
// is not possible: it has the connection.
func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for text := range s.met {
		st, err := db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("compile: %w", err)
		}
		if s.ready == nil {
			s.ready = map[string]*sql.Stmt{}
		}
		s.ready[text] = st
	}
	clear(s.met)
	return nil
}

// in is a transaction that runs these statements.
func (s *statements) in(tx *sql.Tx) querier {
	return &compiled{tx, s, map[string]*sql.Stmt{}}
}

// compiled is a transaction that compiles each statement once.
type compiled struct {
	tx   *sql.Tx
	all  *statements
	mine map[string]*sql.Stmt
}

func (c *compiled) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if st := c.mine[text]; st != nil {
		return st, nil
	}
	st := c.all.ready[text]
	if st != nil {
		st = c.tx.StmtContext(ctx, st)
	} else {
		var err error
		if st, err = c.tx.PrepareContext(ctx, text); err != nil { // until the transaction ends
			return nil, err
		}
		if len(c.all.ready)+len(c.all.met) < maxStatements {
			if c.all.met == nil {
				c.all.met = map[string]bool{}
			}
			c.all.met[text] = true
		}
	}
	c.mine[text] = st
	return st, nil
}

func (c *compiled) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (c *compiled) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// QueryRowContext leaves an error of compiling to the row, as database/sql does.
func (c *compiled) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	st, err := c.statement(ctx, text)
	if err != nil {
		return c.tx.QueryRowContext(ctx, text, args...)
	}
	return st.QueryRowContext(ctx, args...)
}
