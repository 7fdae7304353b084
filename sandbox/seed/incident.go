package seed

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

type (
	// job is a cron job that runs every night at two. The latest run failed.
	job struct {
		slug string
		took time.Duration
		runs int
	}
	// opinion is what a user wrote about an event of a fault.
	opinion struct {
		fault, event int // of the story
		name, text   string
		screenshot   bool // the event has one
	}
)

func (t *teller) job(j job) {
	// A run that has not ended yet is left out; it is not late so soon.
	latest := t.now.UTC().Add(-2*hour - j.took/2).Truncate(day).Add(2 * hour)
	for i := range j.runs {
		began := latest.Add(-time.Duration(i) * day)
		id, status, took := t.hex(32, "job "+j.slug, i), "ok", stretch(j.took, 0.8+0.4*t.rand.Float64())
		if i == 0 {
			status, took = "error", took/3
		}
		t.send(began, "check_in", "", nil, object{
			"check_in_id": id, "monitor_slug": j.slug, "status": "in_progress", "environment": "production",
			"monitor_config": object{"schedule": object{"type": "crontab", "value": "0 2 * * *"}, "checkin_margin": 10, "max_runtime": 60, "timezone": "UTC"},
		})
		t.send(began.Add(took), "check_in", "", nil, object{
			"check_in_id": id, "monitor_slug": j.slug, "status": status, "environment": "production", "duration": took.Seconds(),
		})
	}
}

// blankPage is a PNG of 48 by 32 light pixels: the cart as the user saw it.
const blankPage = "iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAAAAABxv6TAAAAAGklEQVR42mP4QiJgGNUwqmFUw6iGUQ0jQQMAjNy4TL336tQAAAAASUVORK5CYII="

func (t *teller) opinion(n int, o opinion) {
	about, moment := t.hex(32, fmt.Sprintf("fault %d", o.fault), o.event), o.event*t.project.story.times/t.project.faults[o.fault].events
	at, by := t.moment(moment).Add(4*time.Minute), pick(t.project.story.to, moment)
	t.send(at, "feedback", t.hex(32, "opinion", n), nil, object{
		"timestamp": at.Format(time.RFC3339Nano), "platform": t.platform(), "release": t.running(at), "environment": "production",
		"tags": object{"mark": t.mark}, "user": object{"id": by.id, "email": by.email},
		"contexts": object{"feedback": object{"message": o.text, "name": o.name, "contact_email": by.email, "source": "widget", "associated_event_id": about}},
	})
	if !o.screenshot {
		return
	}
	png, err := base64.StdEncoding.DecodeString(blankPage)
	if err != nil {
		panic(fmt.Sprintf("seed: %v", err)) // it is a constant
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\"event_id\":%q}\n", about)
	fmt.Fprintf(&b, `{"type":"attachment","length":%d,"filename":"screenshot.png","content_type":"image/png"}`+"\n%s\n", len(png), png)
	t.steps = append(t.steps, Step{At: at, Envelope: []byte(b.String())})
}
