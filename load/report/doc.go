// Package report shows what a run found: as text in a terminal, as one page
// with plots, beside another run, and while it goes on.
//
// Text and page are made of the same sections, so that they cannot disagree.
// The page is one file that asks nobody for anything: no script, no font, no
// image from elsewhere. A report may hold what strangers chose, such as the
// names of a server's tools, and all of it is text to this package.
package report
