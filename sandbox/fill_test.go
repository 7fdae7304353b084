package sandbox

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	// fillItems is how many items the searches run over, and fillFile where they
	// are kept for the next run; without it they are made anew.
	fillItems = "SANDBOX_BENCH_ITEMS"
	fillFile  = "SANDBOX_BENCH_FILE"

	fillOrgs     = 8
	fillProjects = 5 // of each
)

// fill opens a sandbox with so many items in many organizations, spread over
// three days, all of which mara can see.
func fill(b *testing.B) *runner {
	b.Helper()
	path := cmp.Or(os.Getenv(fillFile), filepath.Join(b.TempDir(), "sandbox.db"))
	want, err := strconv.Atoi(cmp.Or(os.Getenv(fillItems), "4600"))
	if err != nil {
		b.Fatal(err)
	}
	sb := openBench(b, Options{Path: path, Empty: true})
	r := &runner{sb: sb}
	var have int
	if err := sb.read().QueryRow("SELECT count(*) FROM item").Scan(&have); err != nil {
		b.Fatal(err)
	}
	if have < want {
		fillUp(b, sb, want)
	}
	if r.token, err = sb.CreateToken(b.Context(), mara, reading); err != nil {
		b.Fatal(err)
	}
	return r
}

func fillUp(b *testing.B, sb *Sandbox, want int) {
	b.Helper()
	var projects []project
	err := sb.write(b.Context(), func(tx *sql.Tx) (err error) {
		projects, err = fillAccounts(tx)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	first := begun.Add(-72 * time.Hour)
	triples := want / 23 // an error, a transaction of eleven spans and itself, ten logs
	for from := 0; from <= triples; from += 500 {
		err := sb.write(b.Context(), func(tx *sql.Tx) error {
			q := sb.statements.in(tx)
			for n := from * 3; n < min(from+500, triples+1)*3; n++ {
				p := projects[n/3%len(projects)]
				at := first.Add(time.Duration(n) * 72 * time.Hour / time.Duration(3*triples+3))
				if err := fillOne(b, sb, q, p, n, at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		if from > 0 && from%5000 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d items, %.0f/s\n", from*23, want, float64(from*23)/time.Since(begun).Seconds())
		}
	}
}

func fillOne(b *testing.B, sb *Sandbox, q querier, p project, n int, at time.Time) error {
	env, err := payload.ParseEnvelope([]byte(sent(n, at)))
	if err != nil {
		return err
	}
	one := &batch{Arrival: payload.Arrival{Received: at, Trace: env.Trace}, ctx: b.Context(), tx: q, project: p}
	_, err = one.ingest(env)
	return err
}

func fillAccounts(tx *sql.Tx) (projects []project, err error) {
	for o := range fillOrgs {
		res, err := tx.Exec("INSERT INTO org(slug, name, created) VALUES (?, 'Filled', 0)", fmt.Sprintf("filled-%d", o))
		if err != nil {
			return nil, err
		}
		org, err := res.LastInsertId()
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec("INSERT INTO member(org, user, role) SELECT ?, id, 'owner' FROM user WHERE email = ?", org, mara); err != nil {
			return nil, err
		}
		for i := range fillProjects {
			p := project{org: org, slug: fmt.Sprintf("service-%d", i), name: "Service", platform: "go"}
			res, err := tx.Exec("INSERT INTO project(org, slug, name, platform, created) VALUES (?, ?, ?, ?, 0)", org, p.slug, p.name, p.platform)
			if err != nil {
				return nil, err
			}
			if p.id, err = res.LastInsertId(); err != nil {
				return nil, err
			}
			projects = append(projects, p)
		}
	}
	return projects, nil
}

// The questions that people and agents ask, below an organization. {n} becomes
// a number, so that no two rounds ask quite the same.
var (
	issueSearches = []string{
		"issues/?query=", "issues/?query=is:unresolved", "issues/?query=is:unresolved&sort=freq", "issues/?query=is:unresolved&sort=new&limit=100",
		"issues/?query=is:unresolved+level:error+refused&statsPeriod=24h", "issues/?query=timesSeen:%3E10&sort=freq", "issues/?query=environment:production+is:unresolved",
		"issues/?query=user.id:{n}", "issues/?query=user.email:user{n}@example.test", "issues/?query=release:shop@1.{n}", "issues/?query=transaction:%22POST+/checkout/{n}%22",
		"issues/?query=error.type:CheckoutError", "issues/?query=error.value:*route*&sort=freq", "issues/?query=stack.function:fault{n}", "issues/?query=CheckoutError",
		"issues/?query=!has:user.email", "issues/?query=firstSeen:-48h", "issues/?query=lastSeen:-1h+error.handled:false", "issues/?query=assigned:none&limit=5",
		"issues/?query=is:unresolved&sort=user&limit=10", "issues/?query=http.url:*checkout*", "issues/?query=tier:gold+region:eu*&statsPeriod=14d", "issues/?query=release:latest",
		"issues/?query=%22no+route+{n}%22&sort=trends",
	}
	eventAggregates = []string{
		"events/?dataset=errors&field=count()", "events/?dataset=errors&field=title&field=count()&sort=-count()", "events/?dataset=errors&field=issue&field=count()&field=count_unique(user)&sort=-count()",
		"events/?dataset=errors&field=release&field=count()&query=level:error", "events/?dataset=errors&field=transaction&field=count()&sort=-count()&statsPeriod=24h",
		"events/?dataset=errors&field=user.email&field=count()&query=environment:production&sort=-count()", "events/?dataset=errors&field=error.type&field=last_seen()",
		"events/?dataset=errors&field=id&field=title&field=timestamp&sort=-timestamp", "events/?dataset=errors&field=title&field=timestamp&query=user.id:{n}&sort=-timestamp",
		"events/?dataset=spans&field=count()", "events/?dataset=spans&field=transaction&field=p95(span.duration)&sort=-p95(span.duration)", "events/?dataset=spans&field=span.op&field=count()&field=avg(span.duration)",
		"events/?dataset=spans&field=transaction&field=count()&field=p50(span.duration)&field=p99(span.duration)&query=is_transaction:true&sort=-p99(span.duration)",
		"events/?dataset=spans&field=span.description&field=count()&field=sum(span.duration)&query=span.op:db*&sort=-sum(span.duration)",
		"events/?dataset=spans&field=transaction&field=failure_rate()&statsPeriod=24h", "events/?dataset=spans&field=epm()&query=transaction:%22GET+/orders/{n}%22",
		"events/?dataset=spans&field=span.duration&field=trace&query=span.duration:%3E90ms&sort=-span.duration", "events/?dataset=spans&field=trace&field=timestamp&sort=-timestamp&query=span.op:http.server",
		"events/?dataset=spans&field=project&field=count()&field=max(span.duration)", "events/?dataset=spans&field=db.system&field=count()&query=has:db.system",
		"events/?dataset=logs&field=count()", "events/?dataset=logs&field=severity&field=count()", "events/?dataset=logs&field=timestamp&field=message&query=paid&sort=-timestamp",
		"events/?dataset=logs&field=timestamp&field=message&query=message:*order+{n}+*&sort=-timestamp", "events/?dataset=logs&field=server_name&field=count()&query=severity:info",
		"events/?dataset=logs&field=release&field=count()&statsPeriod=24h", "events/?dataset=logs&field=order.id&field=message&query=number:{n}",
	}
)

// ask sends a request as mara does and returns how long it took.
func (r *runner) ask(b *testing.B, path string) time.Duration {
	req := httptest.NewRequest("GET", r.sb.baseURL()+"/api/0"+path, nil)
	req.Header.Set("Authorization", "Bearer "+r.token)
	w := httptest.NewRecorder()
	begun := time.Now()
	r.sb.ServeHTTP(w, req)
	took := time.Since(begun)
	if w.Code != http.StatusOK {
		b.Fatalf("GET %s = %d %s", path, w.Code, w.Body)
	}
	return took
}

// BenchmarkQueries asks a mix of questions of organizations with thousands of
// items, or with a million, see fillItems.
func BenchmarkQueries(b *testing.B) {
	r := fill(b)
	var items int
	if err := r.sb.read().QueryRow("SELECT count(*) FROM item").Scan(&items); err != nil {
		b.Fatal(err)
	}
	mix := func(questions []string) func(n int) string {
		return func(n int) string {
			q := strings.ReplaceAll(questions[n%len(questions)], "{n}", strconv.Itoa(n%23))
			return fmt.Sprintf("/organizations/filled-%d/%s", n%fillOrgs, q)
		}
	}
	b.Run("Search", func(b *testing.B) { r.bench(b, mix(issueSearches)) })
	b.Run("Aggregate", func(b *testing.B) { r.bench(b, mix(eventAggregates)) })
	b.Run("Trace", func(b *testing.B) {
		r.bench(b, func(n int) string {
			triple := n * 7919 % (items / 23)
			org := triple % (fillOrgs * fillProjects) / fillProjects
			return fmt.Sprintf("/organizations/filled-%d/%s/%s/", org, []string{"trace", "trace-meta"}[n%2], sentTrace(3*triple))
		})
	})
}

// bench asks questions in turn and tells what is usual, and what is worst.
func (r *runner) bench(b *testing.B, question func(n int) string) {
	var took []time.Duration
	worst := map[string]time.Duration{}
	for n := 0; b.Loop(); n++ {
		q := question(n)
		t := r.ask(b, q)
		took = append(took, t)
		worst[q] = max(worst[q], t)
	}
	slices.Sort(took)
	b.ReportMetric(quantile(took, 0.5), "p50-ms")
	b.ReportMetric(quantile(took, 0.99), "p99-ms")
	slowest := slices.SortedFunc(maps.Keys(worst), func(x, y string) int { return cmp.Compare(worst[y], worst[x]) })
	for _, q := range slowest[:min(8, len(slowest))] {
		b.Logf("%6.1f ms  %s", float64(worst[q].Microseconds())/1000, q)
	}
}
