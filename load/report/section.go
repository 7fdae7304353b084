package report

// section is a part of what a report says, in text and on the page alike.
type section struct {
	Title string
	Lines []string // sentences, before the table
	Table *table
	After []string // sentences, after it
}

// table has a name in the first column of each row and figures in the others.
type table struct {
	Head []string
	Rows [][]string
	Sum  bool // the last row is of all above it
}

func (t *table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

func (s section) empty() bool {
	return len(s.Lines) == 0 && len(s.After) == 0 && (s.Table == nil || len(s.Table.Rows) == 0)
}
