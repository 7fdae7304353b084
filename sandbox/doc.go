// Package sandbox is a Sentry-compatible backend: SDKs send to it, clients read
// from it over REST, and it signs users in as an OAuth provider. It keeps
// everything in one SQLite database and needs nothing else.
//
// Where to look: what SDKs send comes in by receive.go, is read in body.go and
// ingest.go with payload, and waits for the one writer in group_commit.go. What
// clients ask for begins in routes.go, with request.go and params.go for what all
// of it shares; a noun in the plural (issues.go, releases.go) answers for what
// the singular (issue.go, release_update.go) keeps. Searches are compiled by
// query and take turns at gate.go. setting_kind.go makes and changes all that is
// kept and never acted on. Sign-in is in oauth.go, device.go and web_session.go,
// the pages in pages.go and *_page.go. schema has the tables, step by step, and
// seed the story; operate.go is for commands on the file.
//
// An organization is visible to its members and to nobody else: to every other
// user it answers exactly as one that does not exist. Data enters through
// ingest alone, the seed included; every payload is normalized, scrubbed of
// secrets and grouped before it is stored, except for attachments, which are
// kept as they come.
//
// A member sees all projects of the organization, and a guest those of the
// guest's teams alone. The view access of the database decides it; whoever adds
// a query that names projects goes through projectIDs, projectOf or that view,
// and TestAccess_Guest asks every route. What a member may change is what the
// token's scopes and the member's role both allow, see roleScopes.
//
// Every organization has a mark, which Mark derives from its slug. It stands in
// the organization's own answer, in those of its projects, monitors and check-ins,
// in the names of what people have set up in the seed, and as the tag "mark" on
// every event, span and log of the seed. So a test of isolation needs no list
// of what may be seen: an answer with the mark of an organization that the asker
// does not belong to has leaked. The converse does not hold: a list of issues
// has no marks, since an issue has its tags from its events; and what SDKs send
// has none unless they set the tag.
//
// A Sandbox is safe for concurrent use. Writes go one at a time, readers never
// wait for them, and two processes may open the same file. It starts no
// goroutine: what has to be done now and then, a request does. The HTTP server
// around it has to set a timeout for reading headers; a body that does not arrive
// in half a minute is given up here. What is acknowledged is in the file, and is
// found after a kill; envelopes that wait for the writer share a transaction.
//
// What is older than 30 days is deleted, and of each kind of item in each project
// all but the newest 20,000: at open, hourly, and in a project after every
// 2,000 items that arrive there. An issue goes with its last event. Its count does
// not go down before.
// Check-ins, user reports, attachments and recordings of replays go in the same
// way, a monitor with its last check-in, and so do counts of sessions and the
// releases that nothing is heard of any more. An organization keeps at most 20,000
// commits, those of its newest releases, and the latest 20,000 deploys. Of
// attachments, of recordings, and of profiles, a project never keeps more than
// 100 MiB.
//
// A job that fails, that does not begin in time or does not end in time, as its
// check-ins and its schedule tell, makes an issue of category cron, one for each
// monitor and environment; when it is well again the issue is resolved. What is
// late is noted by the next request, as if it had been noted in time.
//
// Uptime monitors, alert rules and dashboards are kept and listed, and can be
// changed. No URL is ever asked for, no alert sent, no widget's query run.
//
// A key may have a rate limit. As in Sentry it is of errors alone: the rest of
// an envelope is taken.
//
// A load run asks for as many users, organizations, projects and issues as it
// needs, see Scale. For tests and load runs it can fail on purpose, see Faults, and answer like a
// Sentry that was never updated, see Age.
//
// There are no passwords. Whoever can reach the sign-in page can sign in as any
// user, so the sandbox belongs on loopback or behind something that asks who is
// there.
package sandbox
