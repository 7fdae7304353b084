package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a shop's services send all day, for benchmarks and for tests under load.
// Every envelope is numbered: the number makes its ids, so that it can be found.

// faultKinds is how many issues the errors of a project make.
const faultKinds = 40

// sentID is the event id of a numbered envelope, and sentTrace its trace: three
// envelopes after each other share one.
func sentID(n int) string    { return fmt.Sprintf("%032x", 0xe0000000_00000000+uint64(n)) }
func sentTrace(n int) string { return fmt.Sprintf("%032x", 0x70000000_00000000+uint64(n/3)) }

// numberOf reads the number from the ids of an event or of a span below one.
func numberOf(event, span string) int {
	hex, shift := span, 8
	if event != "" {
		hex, shift = event[17:], 0
	}
	n, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return -1
	}
	return int(n << 4 >> 4 >> shift)
}

// sent is the numbered envelope: an error with its stack, a transaction of ten
// spans, or ten lines of logs, in turn.
func sent(n int, at time.Time) string {
	switch n % 3 {
	case 0:
		return sentError(n, at)
	case 1:
		return sentTransaction(n, at)
	}
	return sentLogs(n, at)
}

func sentHeader(n int) string {
	return fmt.Sprintf(`{"event_id":%q,"sdk":{"name":"sentry.go","version":"0.50.0"},"trace":{"trace_id":%q,"environment":"production","release":"shop@1.%d"}}`,
		sentID(n), sentTrace(n), n/10_000%10)
}

var sentFrames = func() string {
	var b strings.Builder
	for i := range 25 {
		fmt.Fprintf(&b, `{"function":"handle%d","module":"shop/checkout","filename":"checkout/step%d.go","abs_path":"/src/checkout/step%d.go","lineno":%d,"in_app":%t,`+
			`"context_line":"\treturn next.Handle(ctx, order)","pre_context":["func handle(ctx context.Context, order Order) error {","\tif order.Empty() {","\t}"],`+
			`"post_context":["}","","// next"],"vars":{"order":"Order{42}","total":"129.90","attempt":%d}},`, i, i, i, 10+i, i > 15, i)
	}
	return b.String()
}()

var sentCrumbs = strings.TrimSuffix(strings.Repeat(`{"timestamp":1763640000.5,"type":"http","category":"http","level":"info","message":"GET /api/cart",`+
	`"data":{"url":"https://shop.example.test/api/cart","status_code":200,"method":"GET"}},`, 20), ",")

const sentContext = `"platform":"go","environment":"production","server_name":"web-3","sdk":{"name":"sentry.go","version":"0.50.0"},` +
	`"contexts":{"os":{"name":"linux","version":"6.1"},"runtime":{"name":"go","version":"1.26"},"device":{"arch":"amd64","num_cpu":8},"trace":{"trace_id":"TRACE","span_id":"SPAN","op":"http.server","status":"ok"}},` +
	`"request":{"method":"POST","url":"https://shop.example.test/checkout","headers":{"User-Agent":"Mozilla/5.0 (X11; Linux) Chrome/142.0 Safari/537","Accept":"*/*"}},` +
	`"tags":{"region":"eu-north-1","tier":"gold","feature":"coupons","customer":"C"}`

// sentEvent fills in what each event has of its own.
func sentEvent(body string, n int, at time.Time) string {
	return strings.NewReplacer("TRACE", sentTrace(n), "SPAN", fmt.Sprintf("%016x", n+1), "RELEASE", "shop@1."+strconv.Itoa(n/10_000%10),
		"STAMP", strconv.FormatFloat(seconds(at), 'f', 6, 64), "USER", strconv.Itoa(n%997), "FAULT", strconv.Itoa(n/3%faultKinds), "ROUTE", strconv.Itoa(n%25)).Replace(body)
}

func sentError(n int, at time.Time) string {
	return pack(sentHeader(n), "event", sentEvent(`{"timestamp":STAMP,"level":"error","release":"RELEASE","transaction":"POST /checkout/ROUTE","user":{"id":"USER","email":"userUSER@example.test"},`+
		sentContext+`,"exception":{"values":[{"type":"NetError","value":"connection to 10.0.0.7:5432 refused"},`+
		`{"type":"CheckoutError","value":"order 4711 of userUSER@example.test: no route FAULT","mechanism":{"type":"generic","handled":false},"stacktrace":{"frames":[`+
		sentFrames+`{"function":"faultFAULT","module":"shop/checkout","filename":"checkout/fault.go","lineno":7,"in_app":true}]}}]},"breadcrumbs":[`+sentCrumbs+`]}`, n, at))
}

func sentTransaction(n int, at time.Time) string {
	var spans strings.Builder
	for i := range 10 {
		if i > 0 {
			spans.WriteByte(',')
		}
		start := seconds(at) + float64(i)/200
		fmt.Fprintf(&spans, `{"span_id":"%016x","parent_span_id":"SPAN","op":"db.query","description":"SELECT * FROM orders WHERE customer = $1 LIMIT %d","status":"ok",`+
			`"start_timestamp":%.6f,"timestamp":%.6f,"data":{"db.system":"postgresql","db.name":"shop","server.address":"db-1","thread.id":"7"}}`,
			uint64(n)<<8|uint64(i)|1<<60, i, start, start+float64(n%97+i)/1000)
	}
	return pack(sentHeader(n), "transaction", sentEvent(`{"type":"transaction","start_timestamp":STAMP,"timestamp":`+strconv.FormatFloat(seconds(at)+0.05+float64(n%89)/100, 'f', 6, 64)+
		`,"release":"RELEASE","transaction":"GET /orders/ROUTE","transaction_info":{"source":"route"},"user":{"id":"USER"},`+sentContext+`,"spans":[`+spans.String()+`]}`, n, at))
}

func sentLogs(n int, at time.Time) string {
	var lines strings.Builder
	for i := range 10 {
		if i > 0 {
			lines.WriteByte(',')
		}
		fmt.Fprintf(&lines, `{"timestamp":%.6f,"trace_id":%q,"level":"info","severity_number":9,"body":"order %d was paid in %d ms",`+
			`"attributes":{"sentry.environment":{"value":"production","type":"string"},"sentry.release":{"value":"shop@1.%d","type":"string"},"sentry.sdk.name":{"value":"sentry.go","type":"string"},`+
			`"server.address":{"value":"web-3","type":"string"},"order.id":{"value":%d,"type":"integer"},"number":{"value":%d,"type":"integer"},"method":{"value":"card","type":"string"}}}`,
			seconds(at)+float64(i)/1000, sentTrace(n), n+i, n%97, n/10_000%10, n+i, n)
	}
	return pack(sentHeader(n), "log", `{"items":[`+lines.String()+`]}`)
}
