package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"roundhouse/load/client"
	"roundhouse/load/measure"
	"roundhouse/sandbox"
)

// answered tells how an exchange ended, whoever's the answer is.
func answered(x *client.Exchange) (measure.Outcome, string) {
	switch {
	case x.Status != http.StatusOK:
		return measure.Refused, strconv.Itoa(x.Status)
	case x.Malformed != nil:
		return measure.Refused, "malformed"
	case x.Answer.Error != nil:
		return measure.Refused, "error " + strconv.Itoa(x.Answer.Error.Code)
	case x.Answer.Result == nil:
		return measure.Refused, "no response"
	}
	return measure.OK, ""
}

// toolFailed tells whether a tool said that it failed, and with which words:
// the first few, without numbers, so that equal failures count as one.
func toolFailed(result json.RawMessage) (reason string, failed bool) {
	if !bytes.Contains(result, []byte(`"isError":true`)) {
		return "", false
	}
	var r struct {
		IsError bool
		Content []struct{ Text string }
	}
	if json.Unmarshal(result, &r) != nil || !r.IsError {
		return "", false
	}
	if len(r.Content) == 0 || r.Content[0].Text == "" {
		return "isError", true
	}
	return gist(r.Content[0].Text), true
}

const maxGist = 60

func gist(text string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(text, "#* \n"), "\n")
	line = string(redact([]byte(line[:min(len(line), 4*maxGist)]))) // it goes into the report
	line = strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9':
			return '#'
		case r < ' ' || r == 0x7f || r == '*':
			return -1
		}
		return r
	}, line)
	for strings.Contains(line, "##") {
		line = strings.ReplaceAll(line, "##", "#")
	}
	if len(line) > maxGist {
		line = strings.ToValidUTF8(line[:maxGist], "")
	}
	return line
}

// canary judges whether answers are the asker's.
type canary struct {
	scale *scaled           // nil: what the server holds is not known
	orgs  map[string]string // by mark, to name whose it is
}

func newCanary(scale *sandbox.Scale, p *population) *canary {
	c := &canary{orgs: map[string]string{}}
	if scale != nil {
		s := scaled(*scale)
		c.scale = &s
	}
	for _, u := range p.users {
		for _, org := range u.slugs {
			c.orgs[sandbox.Mark(org)] = org
		}
	}
	for _, org := range []string{"acme-outdoors", "globex-labs"} { // of the sandbox's story
		c.orgs[sandbox.Mark(org)] = org
	}
	return c
}

// denials are what a tool of ours says of what somebody may not see. Asked for
// what the asker does see, Sentry was shown the token of somebody else.
var denials = map[string]bool{"Not found": true, "Permission missing": true}

// expected is what an answer has to have.
type expected struct {
	mark   bool // of the organization that was asked about
	whoami bool // the asker's own address and place
}

// verdict is what is wrong with an answer: a word for counting, and a sentence.
// The zero value is that nothing is.
type verdict struct{ what, why string }

func (v verdict) wrong() bool { return v.what != "" }

func wrongly(what, format string, args ...any) verdict {
	return verdict{what, fmt.Sprintf(format, args...)}
}

// judge looks at an answer that came to a. marked is whether it carried what is
// a's own: the mark of its organization, or its address.
func (c *canary) judge(a *asker, x *client.Exchange, want expected) (v verdict, marked bool) {
	if v := judgeID(x); v.wrong() {
		return v, false
	}
	if !a.plain { // else it is not known what its URL names
		if marked, v = c.judgeMarks(a, x.Body); v.wrong() {
			return v, marked
		}
	}
	if c.scale != nil {
		if v := c.judgeNames(a, x.Body); v.wrong() {
			return v, marked
		}
	}
	if x.Answer.Result == nil || x.Status != http.StatusOK {
		return verdict{}, marked
	}
	if reason, failed := toolFailed(x.Answer.Result); failed {
		if want.mark && denials[reason] {
			return wrongly("own denied", "%s is told %q of what it sees", a, reason), marked
		}
		return verdict{}, marked
	}
	if mark := sandbox.Mark(a.home()); want.mark && !bytes.Contains(x.Body, []byte(mark)) {
		return wrongly("own mark missing", "the answer has not the mark of %s, %s", a.home(), mark), marked
	}
	if want.whoami {
		named, v := judgeWhoami(a, x.Answer.Result)
		return v, marked || named
	}
	return verdict{}, marked
}

// judgeID: there is one response, and it has the id of the request, a string as
// that was. Only what could not be read may be refused without one.
func judgeID(x *client.Exchange) verdict {
	for _, m := range x.Extra {
		if m.Method == "" {
			return wrongly("second response", "a second response came, with id %s", m.ID)
		}
	}
	if x.Answer.Result == nil && x.Answer.Error == nil {
		return verdict{}
	}
	if id := x.Answer.ID; len(id) == len(x.ID)+2 && id[0] == '"' && string(id[1:len(id)-1]) == x.ID {
		return verdict{}
	}
	var id any
	if json.Unmarshal(x.Answer.ID, &id) == nil && id == x.ID { // spelled with escapes
		return verdict{}
	}
	if x.Answer.Error != nil && id == nil {
		return verdict{}
	}
	return wrongly("id", "the request is %q and the answer is to %s", x.ID, x.Answer.ID)
}

const markDigits = 12

// judgeMarks wants no mark but those that a may see.
func (c *canary) judgeMarks(a *asker, body []byte) (marked bool, v verdict) {
	for rest := body; ; {
		i := bytes.Index(rest, []byte("mk-"))
		if i < 0 {
			return marked, verdict{}
		}
		rest = rest[i:]
		n := 3 + hexDigits(rest[3:])
		if n >= 3+markDigits {
			mark := string(rest[:3+markDigits])
			if !a.marks[mark] {
				whose := c.orgs[mark]
				if whose == "" {
					whose = "an organization that nobody in this run sees"
				}
				return marked, wrongly("mark of another", "the answer has the mark of %s, %s", whose, mark)
			}
			marked = true
		}
		rest = rest[n:]
	}
}

func hexDigits(b []byte) (n int) {
	for n < len(b) && (b[n] >= '0' && b[n] <= '9' || b[n] >= 'a' && b[n] <= 'f') {
		n++
	}
	return n
}

// judgeNames looks for names of the sandbox's data that belong to others:
// /organizations/org-7 in URLs, and issues such as SERVICE-12-1.
func (c *canary) judgeNames(a *asker, body []byte) (v verdict) {
	numbersAfter(body, "/organizations/org-", func(n int, _ []byte) bool {
		if org := "org-" + strconv.Itoa(n); !a.marks[sandbox.Mark(org)] {
			v = wrongly("organization of another", "the answer has a URL of %s", org)
		}
		return !v.wrong()
	})
	numbersAfter(body, "SERVICE-", func(n int, rest []byte) bool {
		if len(rest) < 2 || rest[0] != '-' || !alphanumeric(rest[1]) {
			return true // no issue's name
		}
		org := "org-" + strconv.Itoa(c.scale.spread(n))
		switch {
		case a.project != "" && a.project != "service-"+strconv.Itoa(n):
			v = wrongly("issue of another project", "the answer names an issue of service-%d", n)
		case !a.marks[sandbox.Mark(org)]:
			v = wrongly("issue of another organization", "the answer names an issue of service-%d, which belongs to %s", n, org)
		}
		return !v.wrong()
	})
	return v
}

func alphanumeric(b byte) bool { return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' }

// numbersAfter hands on each number that follows the prefix, and what is behind
// it, for as long as do wants more.
func numbersAfter(body []byte, prefix string, do func(n int, rest []byte) bool) {
	for rest := body; ; {
		i := bytes.Index(rest, []byte(prefix))
		if i < 0 {
			return
		}
		rest = rest[i+len(prefix):]
		digits := 0
		for digits < len(rest) && digits < 9 && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if n, err := strconv.Atoi(string(rest[:digits])); err == nil && !do(n, rest[digits:]) {
			return
		}
	}
}

// judgeWhoami wants the asker's address and place, and nobody else's. named is
// whether the address was there to be compared.
func judgeWhoami(a *asker, result json.RawMessage) (named bool, v verdict) {
	var r struct {
		StructuredContent *struct {
			User               struct{ Email string }
			SessionConstraints *struct{ OrganizationSlug, ProjectSlug string } // nil: a whoami of some other server
		}
	}
	if json.Unmarshal(result, &r) != nil || r.StructuredContent == nil || r.StructuredContent.SessionConstraints == nil {
		return false, verdict{}
	}
	said, at := r.StructuredContent.User.Email, r.StructuredContent.SessionConstraints
	switch {
	case a.email != "" && !strings.EqualFold(said, a.email):
		return false, wrongly("user", "whoami says %q, and %s asked", said, a.email)
	case !a.plain && (at.OrganizationSlug != a.org || at.ProjectSlug != a.project):
		return false, wrongly("place", "whoami says organization %q and project %q, and was asked at %q", at.OrganizationSlug, at.ProjectSlug, a.place)
	}
	return a.email != "", verdict{}
}
