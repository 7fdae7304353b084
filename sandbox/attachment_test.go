package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const attachmentsPath = "/projects/acme-outdoors/storefront/events/" + runA + "/attachments/"

type attachmentAnswer struct {
	ID, Name, Type, Mimetype, SHA1, DateCreated string
	Size                                        int
}

// attach posts a file with the event runA; head is the rest of the item's header.
func (r *runner) attach(head, data string) *httptest.ResponseRecorder {
	r.Helper()
	path, key := r.dsn("acme-outdoors", "storefront")
	raw := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"attachment\",\"length\":%d%s}\n%s\n", runA, len(data), head, data)
	return r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw)))
}

func TestAttachments(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, reading...)
	r.sendAs(runA, "event", `{"message":"no total"}`)
	png := "\x89PNG\r\n\x1a\n\x00\n{}"
	for range 2 { // sent again, it is one
		if w := r.attach(`,"filename":"../cart/screen.png","content_type":"image/png","attachment_type":"event.screenshot"`, png); w.Code != http.StatusOK {
			t.Fatalf("attach = %d %s", w.Code, w.Body)
		}
	}
	r.clock.pass(time.Second)
	r.attach(`,"content_type":"nonsense\r\nX-Evil: 1"`, "<script>")
	var all []attachmentAnswer
	r.get(attachmentsPath, &all)
	if len(all) != 2 || all[0].Name != "screen.png" || all[0].Type != "event.screenshot" || all[0].Mimetype != "image/png" || all[0].Size != len(png) || len(all[0].SHA1) != 40 ||
		all[1].Name != "unnamed" || all[1].Type != "event.attachment" || all[1].Mimetype != "text/html" {
		t.Fatalf("attachments %+v", all)
	}
	var one attachmentAnswer
	r.get(attachmentsPath+all[0].ID+"/", &one)
	if one != all[0] {
		t.Errorf("one attachment %+v, want %+v", one, all[0])
	}
	w := r.api("GET", attachmentsPath+all[0].ID+"/?download=1", "")
	if w.Code != http.StatusOK || w.Body.String() != png || w.Header().Get("Content-Type") != "image/png" ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Disposition") != "attachment; filename=screen.png" {
		t.Errorf("download = %d %v %q", w.Code, w.Header(), w.Body)
	}
	link := r.get(attachmentsPath+"?per_page=1", &all).Get("Link")
	if len(all) != 1 || !strings.Contains(link, `rel="next"; results="true"`) {
		t.Errorf("page of %d, Link %s", len(all), link)
	}
}

func TestAttachments_Access(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sendAs(runA, "event", `{"message":"no total"}`)
	r.attach("", "x")
	owner := r.as(mara, reading...)
	var all []attachmentAnswer
	owner.get(attachmentsPath, &all)
	one := attachmentsPath + all[0].ID + "/"
	tests := []struct {
		reason, path string
		r            *runner
		want         int
	}{
		{"a member", one + "?download=1", owner, 200},
		{"a stranger's list", attachmentsPath, r.as(priya, reading...), 404},
		{"a stranger's download", one + "?download=1", r.as(priya, reading...), 404},
		{"another organization", strings.Replace(one, "acme-outdoors/storefront", "globex-labs/collector", 1), owner, 404},
		{"another project", strings.Replace(one, "storefront", "checkout-api", 1), owner, 404},
		{"another event", strings.Replace(one, runA, runB, 1), owner, 404},
		{"no event id", strings.Replace(attachmentsPath, runA, "latest", 1), owner, 404},
		{"another attachment", attachmentsPath + "99/", owner, 404},
		{"without the scope", one, r.as(mara, "org:read", "project:read"), 403},
	}
	for _, tt := range tests {
		if w := tt.r.api("GET", tt.path, ""); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.reason, w.Code, tt.want)
		}
	}
}

func TestAttachments_Bounds(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, reading...)
	r.sb.attached, r.sb.bulk = 10, 1
	clear(r.sb.arrived.room)
	r.sendAs(runA, "event", `{"message":"no total"}`)
	for _, data := range []string{"aaaa", "bbbb", "cccccc"} {
		r.attach(`,"filename":"`+data[:1]+`"`, data)
		r.clock.pass(time.Second)
	}
	var all []attachmentAnswer
	r.get(attachmentsPath, &all)
	if len(all) != 2 || all[0].Name != "b" || all[1].Name != "c" {
		t.Errorf("attachments %+v, want the newest within the bound", all)
	}
	if w := r.attach("", strings.Repeat("x", maxItem+1)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", w.Code, w.Body)
	}
	path, key := r.dsn("acme-outdoors", "storefront")
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "attachment", "x")))); w.Code != http.StatusBadRequest {
		t.Errorf("without an event: %d %s", w.Code, w.Body)
	}
	r.clock.pass(keepFor + retainEvery)
	r.ingest("session", `{}`)
	if n := r.rows("attachment"); n != 0 {
		t.Errorf("%d attachments are left after their time", n)
	}
}
