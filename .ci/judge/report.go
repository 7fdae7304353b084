package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is how the calls went.
type report struct {
	rows []row
}

type row struct {
	call   call
	answer answer
}

func (r *report) add(c call, a answer) { r.rows = append(r.rows, row{c, a}) }

// good are the tools of which every call did its work.
func (r *report) good() (n int) {
	bad := map[string]bool{}
	for _, one := range r.rows {
		bad[one.call.tool] = bad[one.call.tool] || one.answer.wrong != ""
	}
	for _, failed := range bad {
		if !failed {
			n++
		}
	}
	return n
}

// write prints the table, and below it what needs a look.
func (r *report) write(out io.Writer, refused []wrongStatus) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nTOOL\tABOUT\tRESULT\tMS")
	for _, one := range r.rows {
		result := "ok"
		if one.answer.wrong != "" {
			result = "error"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", one.call.tool, one.call.about, result, one.answer.took.Milliseconds())
	}
	w.Flush()
	fmt.Fprintf(out, "\n%d calls; %d tools did all that was asked of them\n", len(r.rows), r.good())
	section(out, "errors", func(yield func(string)) {
		for _, one := range r.rows {
			if one.answer.wrong != "" {
				yield(fmt.Sprintf("%s %s: %.400s", one.call.tool, one.call.about, one.answer.wrong))
			}
		}
	})
	section(out, "requests that the sandbox refused", func(yield func(string)) {
		for _, one := range refused {
			yield(fmt.Sprintf("%d × %s", one.times, one.what))
		}
	})
}

// writeMissing prints which of the known tools were not called.
func (r *report) writeMissing(out io.Writer, known map[string]bool) {
	section(out, "tools not called", func(yield func(string)) {
		for _, name := range slices.Sorted(maps.Keys(known)) {
			if !r.called(name) {
				yield(strings.TrimSuffix(name+": "+leftOut[name], ": "))
			}
		}
	})
}

func section(out io.Writer, title string, each func(func(string))) {
	var lines []string
	each(func(line string) { lines = append(lines, line) })
	fmt.Fprintf(out, "\n%s: %d\n", title, len(lines))
	for _, line := range lines {
		fmt.Fprintln(out, "  "+line)
	}
}

func (r *report) called(tool string) bool {
	return tool == "execute_sentry_tool" || slices.ContainsFunc(r.rows, func(one row) bool { return one.call.tool == tool })
}

// verdict is an error unless all calls did their work, with enough tools, and
// the sandbox refused nothing meanwhile.
func (r *report) verdict(refused int) error {
	failed := 0
	for _, one := range r.rows {
		if one.answer.wrong != "" {
			failed++
		}
	}
	if failed > 0 || refused > 0 || r.good() < enough {
		return fmt.Errorf("%d tools work, want at least %d; %d calls failed and %d kinds of requests were refused, want none", r.good(), enough, failed, refused)
	}
	return nil
}
