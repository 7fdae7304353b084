package actors

import "sync/atomic"

// mail counts the messages that wait in the mailboxes of all actors, or are
// being handled. All mailboxes share the one, so an idle actor pays nothing.
// A Receive that panics leaves its message counted, and what waited behind it.
type mail struct{ waiting atomic.Int64 }

func (m *mail) MailboxStarted()     {}
func (m *mail) MailboxEmpty()       {}
func (m *mail) MessagePosted(any)   { m.waiting.Add(1) }
func (m *mail) MessageReceived(any) { m.waiting.Add(-1) }
