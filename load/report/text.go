package report

import (
	"bufio"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"roundhouse/load/measure"
)

const width = 100 // of text

// WriteText writes what a person wants to know at the end of a run. It is in
// color if w is a terminal; wrap it to have none.
func WriteText(w io.Writer, r measure.Report) error {
	b := newPrinter(w)
	v := judge(r)
	b.paint(v.Grade, v.Text)
	for _, s := range summarize(r) {
		b.section(s)
	}
	return b.out.Flush()
}

type printer struct {
	out   *bufio.Writer
	color bool
}

func newPrinter(w io.Writer) *printer {
	return &printer{bufio.NewWriter(w), terminal(w)}
}

// terminal reports whether w is one that a person looks at.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// line writes what does not fail before Flush does.
func (t *printer) line(parts ...string) {
	for _, p := range parts {
		_, _ = t.out.WriteString(strings.ReplaceAll(p, nbsp, " "))
	}
	_ = t.out.WriteByte('\n')
}

func (t *printer) paint(g grade, s string) {
	if !t.color {
		t.wrap(s, "")
		return
	}
	t.line("\x1b[1;", map[grade]string{good: "32", doubt: "33", wrong: "31"}[g], "m", s, "\x1b[0m")
}

func (t *printer) section(s section) {
	t.line()
	t.line(s.Title)
	for _, l := range s.Lines {
		t.wrap(l, "  ")
	}
	if s.Table != nil && len(s.Table.Rows) > 0 {
		t.table(*s.Table)
	}
	for _, l := range s.After {
		t.wrap(l, "  ")
	}
}

// wrap breaks between words, and never within a figure.
func (t *printer) wrap(s, indent string) {
	for line := range strings.SplitSeq(fold(s, width-len(indent)), "\n") {
		t.line(indent, line)
	}
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// table aligns names to the left and figures to the right; a table without a
// head is of names and texts.
func (t *printer) table(tab table) {
	rows := tab.Rows
	if tab.Head != nil {
		rows = append([][]string{tab.Head}, rows...)
	}
	wide := columns(rows)
	for _, row := range rows {
		if tab.Head == nil {
			t.pair(row, wide[0])
			continue
		}
		t.row(row, wide)
	}
}

// row has cells of one or several lines.
func (t *printer) row(cells []string, wide []int) {
	var parts [][]string
	deep := 0
	for _, cell := range cells {
		parts = append(parts, strings.Split(cell, "\n"))
		deep = max(deep, len(parts[len(parts)-1]))
	}
	for i := range deep {
		line := ""
		for column, lines := range parts {
			cell := ""
			if i < len(lines) {
				cell = lines[i]
			}
			line += "  " + pad(cell, wide[column], column > 0)
		}
		t.line(strings.TrimRight(line, " "))
	}
}

// pair is a name and a text that may go on below itself.
func (t *printer) pair(row []string, wide int) {
	name, indent := "  "+pad(row[0], wide, false)+"  ", strings.Repeat(" ", wide+4)
	for line := range strings.SplitSeq(fold(row[1], width-wide-4), "\n") {
		t.line(strings.TrimRight(name+line, " "))
		name = indent
	}
}

// fold breaks a text into lines of most runes, between words where it can.
func fold(s string, most int) string {
	var lines []string
	line := ""
	for _, word := range strings.Split(s, " ") {
		for line != "" && runes(line)+1+runes(word) > most || runes(word) > most {
			if line == "" {
				line, word = string([]rune(word)[:most]), string([]rune(word)[most:])
			}
			lines, line = append(lines, line), ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return strings.Join(append(lines, line), "\n")
}

func columns(rows [][]string) []int {
	var wide []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			for line := range strings.SplitSeq(cell, "\n") {
				wide[i] = max(wide[i], runes(line))
			}
		}
	}
	return wide
}

func pad(s string, to int, right bool) string {
	space := strings.Repeat(" ", max(0, to-runes(s)))
	if right {
		return space + s
	}
	return s + space
}
