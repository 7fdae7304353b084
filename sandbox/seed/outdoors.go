package seed

import (
	"slices"
	"time"
)

func outdoors() Org {
	return Org{
		ID: 41001, Slug: "acme-outdoors", Name: "Acme Outdoors",
		Members:  map[int64]string{1001: "owner", 1002: "admin", 1004: "guest"},
		Teams:    outdoorsTeams(),
		Projects: []Project{storefront(), checkout(), payments(), search(), mobile(), assistant(), myApp()},
	}
}

var shoppers = []person{
	{"u-2041", "ines.falk@example.test", "203.0.113.21"}, {"u-2077", "tomasz@example.test", "203.0.113.54"},
	{"u-2103", "ayo.b@example.test", "198.51.100.7"}, {"u-2188", "lena.v@example.test", "198.51.100.90"},
	{"u-2240", "kofi@example.test", "203.0.113.130"},
}

// brokenCoupons is the story of the shop: since the release of yesterday, a cart
// with two coupons cannot be paid for. The browser sends the order, the API
// follows a nil pointer, and the browser has no total to show. People try again.
func brokenCoupons() story {
	return story{first: 26 * hour, last: 12 * time.Minute, times: 140, to: crowd(61, shoppers...)}
}

func storefront() Project {
	const app = "https://shop.example.test/static/js/"
	return Project{
		ID: 51001, Slug: "storefront", Name: "Storefront", Platform: "javascript", site: "https://shop.example.test",
		story: brokenCoupons(),
		releases: []release{
			{"storefront@5.10.4", 14 * day, nil}, {"storefront@5.11.0", 10 * day, []commit{{"mara", "Show tents by season"}}},
			{"storefront@5.11.2", 5 * day, []commit{{"jon", "Load the map only when it is seen"}}},
			{"storefront@5.12.0", 27 * hour, []commit{{"mara", "Let the cart take several coupons"}, {"jon", "Drop the old coupon banner"}}},
		},
		faults: []fault{
			{
				kind: "TypeError", value: "Cannot read properties of undefined (reading 'total')", where: "/cart",
				frames: []frame{
					{file: "react-dom.production.min.js", function: "callCallback", line: 188, abs: app + "react-dom.production.min.js"},
					{file: "cart/summary.js", function: "CartSummary.render", line: 42, abs: app + "cart/summary.js", source: "  return formatMoney(cart.discount.total)", own: true},
				},
				events: 70, story: true, after: 700 * time.Millisecond, unhandled: true,
				crumbs: []string{"navigation|/cart", "fetch|GET /api/cart [200]", "ui.click|button#apply-coupon"},
				tags:   map[string]string{"cart.size": "3", "coupon": "stacked"},
			},
			{
				kind: "ChunkLoadError", value: "Loading chunk 714 failed", where: "/tents/:id",
				frames: []frame{{file: "webpack/runtime.js", function: "requireEnsure", line: 12, abs: app + "webpack/runtime.js", own: true}},
				first:  9 * day, last: 30 * hour, events: 6, users: shoppers,
				unhandled: true, then: outcome{regressed: true},
			},
			{
				kind: "Error", value: "ResizeObserver loop completed with undelivered notifications.", where: "/",
				frames: []frame{{file: "home/hero.js", function: "Hero.measure", line: 77, abs: app + "home/hero.js", own: true}},
				first:  12 * day, last: 2 * hour, events: 42, users: shoppers, level: "warning", then: outcome{ignored: true},
			},
			{
				kind: "RangeError", value: "Invalid currency code : EURO", where: "/checkout",
				frames: []frame{{file: "lib/money.js", function: "formatMoney", line: 9, abs: app + "lib/money.js", source: "  return new Intl.NumberFormat(locale, { style, currency }).format(amount)", own: true}},
				first:  11 * day, last: 8 * day, events: 4, users: shoppers[:2], then: outcome{resolved: true},
			},
			{
				value: "Search returned no trail for region %s", args: []string{"north-fjord"}, where: "/trails", level: "info",
				first: 3 * day, last: 5 * hour, events: 3, users: shoppers[2:],
			},
		},
		requests: []request{
			{name: "/cart", op: "pageload", took: 1450 * time.Millisecond, story: true, calls: []call{
				{op: "http.client", description: "GET /api/cart", took: 140 * time.Millisecond}, {op: "http.client", description: "POST /api/orders", took: 520 * time.Millisecond, onward: true},
				{op: "ui.react.render", description: "CartSummary", took: 35 * time.Millisecond}}},
			{name: "/tents/:id", op: "pageload", took: 980 * time.Millisecond, count: 25, every: 11 * hour, calls: []call{
				{op: "http.client", description: "GET /api/tents/{id}", took: 180 * time.Millisecond}, {op: "resource.img", description: "/img/tent-hero.webp", took: 420 * time.Millisecond}}},
			{name: "/", op: "pageload", took: 720 * time.Millisecond, count: 20, every: 3 * hour, calls: []call{
				{op: "resource.script", description: "/static/js/home.js", took: 190 * time.Millisecond}, {op: "resource.img", description: "/img/hero.webp", took: 260 * time.Millisecond}}},
		},
		logs: []logLine{{level: "info", body: "cart restored from local storage", count: 25}, {level: "error", body: "order refused: HTTP 500", count: 35, story: true, after: 680 * time.Millisecond}},
		opinions: []opinion{
			{fault: 0, event: 31, name: "Tomasz", text: "The total vanished after I added the second coupon."},
			{fault: 0, event: 62, name: "Ayo", text: "With two coupons my cart stays blank. I cannot pay.", screenshot: true},
		},
		replays: []visit{{moment: 31, clicks: 4}, {moment: 62, clicks: 3}, {moment: 124, clicks: 6}},
		health:  []health{{perHour: 40, since: 3}},
	}
}

func checkout() Project {
	const module = "example.test/checkout/"
	return Project{
		ID: 51002, Slug: "checkout-api", Name: "Checkout API", Platform: "go",
		story: brokenCoupons(),
		releases: []release{
			{"checkout-api@2.7.1", 14 * day, nil}, {"checkout-api@2.7.3", 7 * day, []commit{{"jon", "Give the pool of connections a limit"}}},
			{"checkout-api@2.8.0", 27 * hour, []commit{{"mara", "Apply stacked coupons\n\nThe first coupon is taken from the list before it is known that there is one."}, {"jon", "Round totals once, at the end"}}},
		},
		faults: []fault{
			{
				kind: "runtime.errorString", value: "runtime error: invalid memory address or nil pointer dereference", where: "POST /orders", level: "fatal",
				frames: []frame{
					{file: "net/http/server.go", function: "HandlerFunc.ServeHTTP", module: "net/http", line: 2220},
					{file: "orders/handler.go", function: "(*Handler).Place", module: module + "orders", line: 118, source: "\ttotal, err := h.pricing.ApplyCoupon(cart, req.Coupons)", own: true},
					{file: "pricing/coupon.go", function: "(*Service).ApplyCoupon", module: module + "pricing", line: 64, source: "\tpercent := coupons.First().Percent", own: true},
				},
				events: 140, story: true, after: 600 * time.Millisecond, apart: 200 * time.Millisecond, unhandled: true,
				crumbs: []string{"query|SELECT * FROM coupons WHERE cart_id = $1", "http|POST http://pricing.internal/quote [200]"},
				tags:   map[string]string{"region": "eu-north-1", "payment.provider": "cardinal"},
			},
			{
				kind: "*net.OpError", value: "dial tcp 10.4.0.17:5432: connect: connection refused", where: "GET /orders/{id}",
				frames: []frame{{file: "store/pool.go", function: "(*Pool).acquire", module: module + "store", line: 91, source: "\tconn, err := p.dial(ctx)", own: true}},
				first:  10 * day, last: 4 * day, events: 6, users: shoppers[:3], then: outcome{regressed: true},
			},
			{
				kind: "*pricing.RoundingError", value: "total 129.995 has more than 2 decimals", where: "POST /quotes", level: "warning",
				frames: []frame{{file: "pricing/round.go", function: "Round", module: module + "pricing", line: 23, own: true}},
				first:  13 * day, last: 9 * day, events: 5, users: shoppers[1:], then: outcome{resolved: true},
			},
			{
				kind: "*json.SyntaxError", value: "invalid character '<' looking for beginning of value", where: "POST /webhooks/carrier",
				frames: []frame{{file: "carrier/webhook.go", function: "decode", module: module + "carrier", line: 37, source: "\tif err := json.NewDecoder(r.Body).Decode(&update); err != nil {", own: true}},
				first:  12 * day, last: 7 * hour, events: 5, environment: "staging", then: outcome{assign: "user:1002"},
			},
			{
				value: "retrying settlement batch %s", args: []string{"2291"}, where: "settlement", level: "info",
				first: 2 * day, last: 3 * hour, events: 3,
			},
		},
		requests: []request{
			{name: "POST /orders", op: "http.server", took: 460 * time.Millisecond, method: "POST", story: true, inner: true, after: 155 * time.Millisecond, calls: []call{
				{op: "db", description: "SELECT * FROM coupons WHERE cart_id = $1", took: 18 * time.Millisecond}, {op: "http.client", description: "POST http://pricing.internal/quote", took: 390 * time.Millisecond}}},
			{name: "POST /orders", op: "http.server", took: 240 * time.Millisecond, method: "POST", count: 90, every: 26 * time.Minute, calls: []call{
				{op: "db", description: "SELECT * FROM coupons WHERE cart_id = $1", took: 18 * time.Millisecond}, {op: "http.client", description: "POST http://pricing.internal/quote", took: 110 * time.Millisecond},
				{op: "db", description: "INSERT INTO orders VALUES ($1, $2, $3)", took: 22 * time.Millisecond}}},
			{name: "GET /orders", op: "http.server", took: 480 * time.Millisecond, count: 25, every: 5 * hour, calls: append(
				[]call{{op: "db", description: "SELECT id FROM orders WHERE user_id = $1", took: 12 * time.Millisecond}},
				slices.Repeat([]call{{op: "db", description: "SELECT * FROM lines WHERE order_id = $1", took: 45 * time.Millisecond}}, 8)...)},
		},
		logs: []logLine{
			{level: "warn", body: "coupon list empty", count: 140, story: true, after: 190 * time.Millisecond}, {level: "info", body: "order placed", count: 40, every: 3 * hour},
			{level: "error", body: "settlement batch 2291 timed out", count: 3},
		},
		series: []series{
			{name: "orders.placed", kind: "counter", value: 420, since: 0.55},
			{name: "checkout.latency", kind: "distribution", unit: "millisecond", value: 235, since: 1.9, flat: true},
		},
		jobs: []job{{slug: "nightly-settlement", took: 11 * time.Minute, runs: 8}},
	}
}
