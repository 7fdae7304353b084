// Package load puts calls on an MCP server as real clients do, checks every
// answer, and tells what it found.
//
// A run follows a scenario: users sign in, each works at the URLs of some
// contexts, calls become due at a pace that does not wait for answers, and at
// chosen moments something goes wrong. Latency is counted from when a call was
// due, so that a server that stalls cannot hide it by making its clients wait.
//
// Every answer must belong to whoever asked: it carries the id of its request
// and the mark of its organization, and handles of other contexts (sessions,
// tasks, events) are tried all the time and must be refused. One wrong answer
// makes the run fail, and the exchange is kept.
//
//	scenario  what is to be done, as a file
//	login     signs users in
//	client    sends MCP requests and shows the answers raw
//	pace      says when calls are due
//	measure   histograms, series and the report
//	scrape    reads the metrics of the node that is driven
//	report    the report as text, as a page and beside another
//
// And beside a run, to set one server beside another:
//
//	compare   lets two servers take turns
//	rival     servers of other designs
//
// Here, Run is in run.go. Who works where is decided in population.go, by what
// reach.go knows or finds out; who asks what is picked in source.go, when in
// drive.go; canary.go judges the answers and wrong.go keeps those that are wrong;
// handle.go shows the handles of others, and elsewhere.go goes where they are.
// Beside the calls there are stream.go, storm.go and timeline.go.
//
// An answer that might be right is never called wrong. What another reason may
// explain (a session that a storm ended, an answer that says to come back later)
// is not judged.
package load
