package tools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
	"roundhouse/sentry"
)

// inputError is a call that cannot be answered as it was made. All of it is
// shown to the model.
type inputError struct {
	field   markdown // "": problem names the fields itself
	problem markdown
	fix     markdown // what would do; a sentence, may be empty
}

func (e *inputError) Error() string { return string(e.text()) }

func (e *inputError) text() markdown {
	text := e.problem
	if e.field != "" {
		text = e.field + " " + text
	}
	if e.fix != "" {
		text += ". " + e.fix
	}
	return sentence(text)
}

// panicError is a handler's panic. Its value may hold anything, so it is for
// the log alone.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// recovered turns a panic into err. WithRecovery of mcp-go would send the
// panic's value to the client.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{v, debug.Stack()}
	}
}

// notFound is the one answer for a resource that does not exist and for one
// outside of what the key allows, so that nobody can tell them apart.
func notFound(noun markdown, id string, key constraint.Key) error {
	return &inputError{
		problem: textf("no %s %s in %s", noun, inline(id), place(key)),
		fix:     "Check the id, or find it with search_issues.",
	}
}

// place names what a key confines to, for prose.
func place(key constraint.Key) markdown {
	switch ShapeOf(key) {
	case ShapeProject:
		return "project " + word(key.Project()) + " of organization " + word(key.Org())
	case ShapeOrg:
		return "organization " + word(key.Org())
	}
	return "the organizations of the signed-in user"
}

// failure writes what the model reads about err, and logs what it does not.
func failure(ctx context.Context, env Env, tool string, skills []string, err error) *mcp.CallToolResult {
	title, text, level := judge(err, skills)
	if level > slog.LevelDebug {
		env.log().Log(ctx, level, "tool failed", "tool", tool, "constraint", env.Key.Identity(), "err", err)
	}
	return mcp.NewToolResultError(string("**" + title + "**\n\n" + text))
}

func judge(err error, skills []string) (title, text markdown, level slog.Level) {
	var (
		input    *inputError
		path     *sentry.PathError
		upstream *sentry.Error
		refused  notConfirmed
	)
	errors.As(err, &upstream)
	switch {
	case errors.As(err, &input):
		return "Input error", input.text(), slog.LevelDebug
	case errors.As(err, &refused):
		return "Not confirmed", refused.reason, slog.LevelDebug
	case errors.As(err, &path):
		return "Input error", textf("%s is not a valid slug or id: it %s.", inline(path.Element), reason(path)), slog.LevelDebug
	case errors.Is(err, sentry.ErrUnauthorized):
		return "Sign-in expired", "Sentry no longer accepts this sign-in. The user has to sign in again: reconnect this server in the client. Repeating the call will not help.", slog.LevelInfo
	case errors.Is(err, sentry.ErrForbidden):
		return "Permission missing", "Sentry refuses this: " + detail(upstream) +
			" The user needs access to the organization or project, and the sign-in needs the scopes " + names(scopesFor(skills)) + ". Repeating the call will not help.", slog.LevelDebug
	case errors.Is(err, sentry.ErrNotFound):
		return "Not found", "Sentry knows no such resource, or this user cannot see it. Check the slug or id; find_organizations, find_projects and search_issues find valid ones.", slog.LevelDebug
	case errors.Is(err, sentry.ErrRateLimited):
		return "Rate limited", "Sentry asks to slow down. Try again " + when(upstream) + ", and make fewer or narrower calls.", slog.LevelInfo
	case errors.Is(err, context.Canceled):
		return "Canceled", "The call was canceled before Sentry answered.", slog.LevelDebug
	case errors.Is(err, sentry.ErrUnavailable):
		return "Sentry is unavailable", "Sentry did not give a usable answer: " + unavailability(upstream) +
			" Try again " + when(upstream) + "; a shorter period or a narrower query may also help.", slog.LevelWarn
	case upstream != nil && isCursorError(upstream):
		return "Input error", "Sentry does not know this cursor. Take nextCursor of the page before, of the same search; the first page needs none.", slog.LevelDebug
	case upstream != nil:
		return "Input error", textf("Sentry refuses this call (HTTP %s): %s", number(upstream.StatusCode), detail(upstream)), slog.LevelDebug
	}
	return "Internal error", "Something went wrong in this server; the details are in its log. Try again, or try another tool.", slog.LevelError
}

// isCursorError reports whether a cursor is what Sentry refuses. It has no code
// for that, only words.
func isCursorError(e *sentry.Error) bool {
	return e.StatusCode == http.StatusBadRequest && strings.Contains(strings.ToLower(e.Detail), "cursor parameter")
}

func detail(e *sentry.Error) markdown {
	if e == nil || e.Detail == "" {
		return "it gives no reason."
	}
	return sentence(inline(e.Detail))
}

func unavailability(e *sentry.Error) markdown {
	if e == nil {
		return "it could not be reached."
	}
	if e.StatusCode != 0 {
		return textf("HTTP %s, %s", number(e.StatusCode), detail(e))
	}
	return detail(e)
}

func when(e *sentry.Error) markdown {
	if e == nil || e.RetryAfter <= 0 {
		return "in a minute"
	}
	return "in " + word(e.RetryAfter.Round(time.Second).String())
}

func sentence(s markdown) markdown {
	if s == "" || strings.ContainsAny(string(s[len(s)-1:]), ".?!") {
		return s
	}
	return s + "."
}
