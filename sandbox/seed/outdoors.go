package seed

import "time"

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

func outdoors() Org {
	return Org{
		ID: 41001, Slug: "acme-outdoors", Name: "Acme Outdoors",
		Members:  map[int64]string{1001: "owner", 1002: "admin", 1004: "guest"},
		Teams:    outdoorsTeams(),
		Projects: []Project{storefront(), checkout(), myApp()},
	}
}

var shoppers = []person{
	{"u-2041", "ines.falk@example.test", "203.0.113.21"}, {"u-2077", "tomasz@example.test", "203.0.113.54"},
	{"u-2103", "ayo.b@example.test", "198.51.100.7"}, {"u-2188", "lena.v@example.test", "198.51.100.90"},
	{"u-2240", "kofi@example.test", "203.0.113.130"},
}

func storefront() Project {
	const app = "https://shop.example.test/static/js/"
	return Project{
		ID: 51001, Slug: "storefront", Name: "Storefront", Platform: "javascript",
		releases: []release{{"storefront@5.10.4", 14 * day}, {"storefront@5.11.0", 10 * day}, {"storefront@5.11.2", 5 * day}, {"storefront@5.12.0", 27 * hour}},
		faults: []fault{
			{
				kind: "TypeError", value: "Cannot read properties of undefined (reading 'total')", where: "/cart",
				frames: []frame{
					{file: "react-dom.production.min.js", function: "callCallback", line: 188, abs: app + "react-dom.production.min.js"},
					{file: "cart/summary.js", function: "CartSummary.render", line: 42, abs: app + "cart/summary.js", source: "  return formatMoney(cart.discount.total)", own: true},
				},
				first: 26 * hour, last: 20 * time.Minute, events: 9, users: shoppers,
				crumbs: []string{"navigation|/cart", "fetch|GET /api/cart [200]", "ui.click|button#apply-coupon"},
				tags:   map[string]string{"cart.size": "3", "coupon": "stacked"}, story: true, unhandled: true,
			},
			{
				kind: "ChunkLoadError", value: "Loading chunk 714 failed", where: "/tents/:id",
				frames: []frame{{file: "webpack/runtime.js", function: "requireEnsure", line: 12, abs: app + "webpack/runtime.js", own: true}},
				first:  9 * day, last: 30 * hour, events: 6, users: shoppers,
				regressed: true, unhandled: true,
			},
			{
				kind: "Error", value: "ResizeObserver loop completed with undelivered notifications.", where: "/",
				frames: []frame{{file: "home/hero.js", function: "Hero.measure", line: 77, abs: app + "home/hero.js", own: true}},
				first:  12 * day, last: 2 * hour, events: 7, users: shoppers, level: "warning", ignored: true,
			},
			{
				kind: "RangeError", value: "Invalid currency code : EURO", where: "/checkout",
				frames: []frame{{file: "lib/money.js", function: "formatMoney", line: 9, abs: app + "lib/money.js", source: "  return new Intl.NumberFormat(locale, { style, currency }).format(amount)", own: true}},
				first:  11 * day, last: 8 * day, events: 4, users: shoppers[:2], resolved: true,
			},
			{
				value: "Search returned no trail for region %s", args: []string{"north-fjord"}, where: "/trails", level: "info",
				first: 3 * day, last: 5 * hour, events: 3, users: shoppers[2:],
			},
		},
		requests: []request{
			{name: "/cart", op: "pageload", took: 1450 * time.Millisecond, count: 12, story: true, calls: []call{
				{"http.client", "GET /api/cart", 240 * time.Millisecond}, {"resource.script", "/static/js/cart.js", 310 * time.Millisecond}, {"ui.react.render", "CartSummary", 35 * time.Millisecond}}},
			{name: "/tents/:id", op: "pageload", took: 980 * time.Millisecond, count: 10, calls: []call{
				{"http.client", "GET /api/tents/{id}", 180 * time.Millisecond}, {"resource.img", "/img/tent-hero.webp", 420 * time.Millisecond}}},
		},
		logs: []logLine{{"info", "cart restored from local storage", 5}, {"warn", "coupon list empty", 4}},
		opinions: []opinion{
			{fault: 0, event: 2, by: shoppers[2], name: "Ayo", text: "With two coupons my cart stays blank. I cannot pay.", ago: 18 * hour, screenshot: true},
			{fault: 0, event: 5, by: shoppers[0], name: "Ines", text: "The total vanished after I added the second coupon.", ago: 9 * hour},
		},
	}
}

func checkout() Project {
	const module = "example.test/checkout/"
	return Project{
		ID: 51002, Slug: "checkout-api", Name: "Checkout API", Platform: "go",
		releases: []release{{"checkout-api@2.7.1", 14 * day}, {"checkout-api@2.7.3", 7 * day}, {"checkout-api@2.8.0", 27 * hour}},
		faults: []fault{
			{
				kind: "runtime.errorString", value: "runtime error: invalid memory address or nil pointer dereference", where: "POST /orders", level: "fatal",
				frames: []frame{
					{file: "net/http/server.go", function: "HandlerFunc.ServeHTTP", module: "net/http", line: 2220},
					{file: "orders/handler.go", function: "(*Handler).Place", module: module + "orders", line: 118, source: "\ttotal, err := h.pricing.ApplyCoupon(cart, req.Coupons)", own: true},
					{file: "pricing/coupon.go", function: "(*Service).ApplyCoupon", module: module + "pricing", line: 64, source: "\tfirst := coupons[0].Percent", own: true},
				},
				first: 26 * hour, last: 12 * time.Minute, events: 14, users: shoppers,
				crumbs: []string{"query|SELECT * FROM coupons WHERE cart_id = $1", "http|GET http://pricing.internal/rules [200]"},
				tags:   map[string]string{"region": "eu-north-1", "payment.provider": "cardinal"}, story: true, unhandled: true,
			},
			{
				kind: "*net.OpError", value: "dial tcp 10.4.0.17:5432: connect: connection refused", where: "GET /orders/{id}",
				frames: []frame{{file: "store/pool.go", function: "(*Pool).acquire", module: module + "store", line: 91, source: "\tconn, err := p.dial(ctx)", own: true}},
				first:  10 * day, last: 4 * day, events: 6, users: shoppers[:3], regressed: true,
			},
			{
				kind: "*pricing.RoundingError", value: "total 129.995 has more than 2 decimals", where: "POST /quotes", level: "warning",
				frames: []frame{{file: "pricing/round.go", function: "Round", module: module + "pricing", line: 23, own: true}},
				first:  13 * day, last: 9 * day, events: 5, users: shoppers[1:], resolved: true,
			},
			{
				kind: "*json.SyntaxError", value: "invalid character '<' looking for beginning of value", where: "POST /webhooks/carrier",
				frames: []frame{{file: "carrier/webhook.go", function: "decode", module: module + "carrier", line: 37, source: "\tif err := json.NewDecoder(r.Body).Decode(&update); err != nil {", own: true}},
				first:  12 * day, last: 7 * hour, events: 5, environment: "staging", assignee: 1002,
			},
			{
				value: "retrying settlement batch %s", args: []string{"2291"}, where: "settlement", level: "info",
				first: 2 * day, last: 3 * hour, events: 3,
			},
		},
		requests: []request{
			{name: "POST /orders", op: "http.server", took: 640 * time.Millisecond, count: 14, story: true, method: "POST", calls: []call{
				{"db", "SELECT * FROM coupons WHERE cart_id = $1", 18 * time.Millisecond}, {"http.client", "POST http://pricing.internal/quote", 210 * time.Millisecond}, {"db", "INSERT INTO orders VALUES ($1, $2, $3)", 22 * time.Millisecond}}},
			{name: "GET /orders", op: "http.server", took: 380 * time.Millisecond, count: 12, method: "GET", calls: []call{
				{"db", "SELECT id FROM orders WHERE user_id = $1", 12 * time.Millisecond}, {"db", "SELECT * FROM lines WHERE order_id = $1", 45 * time.Millisecond},
				{"db", "SELECT * FROM lines WHERE order_id = $1", 46 * time.Millisecond}, {"db", "SELECT * FROM lines WHERE order_id = $1", 44 * time.Millisecond}}},
		},
		logs:  []logLine{{"warn", "coupon list empty", 8}, {"info", "order placed", 8}, {"error", "settlement batch 2291 timed out", 2}},
		jobs:  []job{{slug: "nightly-settlement", took: 11 * time.Minute, runs: 8}},
		chats: helper(),
	}
}
