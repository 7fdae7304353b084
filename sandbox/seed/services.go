package seed

import (
	"slices"
	"time"
)

// What runs behind the shop, and beside it.

func payments() Project {
	const site = "/usr/lib/python3.13/site-packages/"
	return Project{
		ID: 51003, Slug: "payments-worker", Name: "Payments Worker", Platform: "python",
		releases: []release{{"payments-worker@1.14.0", 14 * day, nil}, {"payments-worker@1.15.0", 6 * day, nil}},
		faults: []fault{
			{
				kind: "ReadTimeout", value: "HTTPSConnectionPool(host='api.cardinal.test', port=443): Read timed out. (read timeout=10)", where: "payments.tasks.capture",
				frames: []frame{
					{file: "requests/adapters.py", function: "send", module: "requests.adapters", abs: site + "requests/adapters.py", line: 690},
					{file: "payments/cardinal.py", function: "capture", module: "payments.cardinal", line: 57, source: "    answer = self.session.post(url, json=body, timeout=10)", own: true},
				},
				first: 11 * day, last: 3 * hour, events: 22, users: shoppers, unhandled: true,
				tags:   map[string]string{"payment.provider": "cardinal", "queue": "captures"},
				crumbs: []string{"celery|captures: received payments.tasks.capture", "http|POST https://api.cardinal.test/v2/captures"},
				then:   outcome{regressed: true, assign: "team:61002", note: "The provider confirms slow answers between 01:00 and 04:00 UTC. Captures are tried again, so nobody pays twice."},
			},
			{
				kind: "KeyError", value: "'PAYOUT_REGION'", where: "payments.settings", environment: "staging",
				frames: []frame{{file: "payments/settings.py", function: "<module>", module: "payments.settings", line: 44, source: "REGION = os.environ['PAYOUT_REGION']", own: true}},
				first:  30 * hour, last: 28 * hour, events: 4, unhandled: true,
			},
			{
				kind: "IntegrityError", value: "duplicate key value violates unique constraint \"captures_order_id_key\"", where: "payments.tasks.capture",
				frames: []frame{{file: "payments/store.py", function: "remember", module: "payments.store", line: 29, source: "    cursor.execute(INSERT, (order_id, amount))", own: true}},
				first:  13 * day, last: 7 * day, events: 9, users: shoppers[1:], then: outcome{resolved: true},
			},
			{
				value: "refund of order %s waits for a review", args: []string{"118-2207"}, where: "payments.tasks.refund", level: "warning",
				first: 5 * day, last: 6 * hour, events: 6,
			},
		},
		requests: []request{
			{name: "payments.tasks.capture", op: "queue.task", took: 900 * time.Millisecond, count: 25, every: 9 * hour, calls: []call{
				{op: "http.client", description: "POST https://api.cardinal.test/v2/captures", took: 640 * time.Millisecond}, {op: "db", description: "INSERT INTO captures VALUES (%s, %s)", took: 14 * time.Millisecond}}},
		},
		logs: []logLine{{level: "info", body: "capture confirmed", count: 25, every: 5 * hour}, {level: "warn", body: "capture is tried again", count: 9, every: 7 * hour}},
	}
}

func search() Project {
	serving := []frame{
		{file: "node:internal/process/task_queues", function: "processTicksAndRejections", line: 103},
		{file: "src/server.js", function: "search", module: "server", line: 52, own: true},
	}
	below := func(more ...frame) []frame { return append(slices.Clone(serving), more...) }
	ranking := frame{file: "src/rank.js", function: "rankTrails", module: "rank", line: 20, own: true}
	return Project{
		ID: 51004, Slug: "search-api", Name: "Search API", Platform: "node",
		releases: []release{{"search-api@4.2.0", 14 * day, nil}, {"search-api@4.3.1", 3 * day, nil}},
		faults: []fault{
			{
				kind: "TimeoutError", value: "query exceeded 5000 ms", where: "GET /search",
				frames: []frame{
					{file: "node_modules/pg/lib/client.js", function: "Client.query", module: "pg.lib:client", line: 526},
					{file: "src/trails.js", function: "findTrails", module: "trails", line: 88, source: "  const rows = await db.query(TRAILS_NEARBY, [lat, lon, radius])", own: true},
				},
				first: 3 * day, last: 50 * time.Minute, events: 18, users: shoppers, tags: map[string]string{"index": "trails"},
				crumbs: []string{"query|SELECT * FROM trails WHERE earth_box($1, $2) @> place"}, then: outcome{assign: "team:61003"},
			},
			{
				kind: "RangeError", value: "Maximum call stack size exceeded", where: "GET /suggest",
				frames: []frame{{file: "src/synonyms.js", function: "expand", module: "synonyms", line: 31, source: "  return words.flatMap((w) => expand(table[w] ?? []))", own: true}},
				first:  8 * day, last: 26 * hour, events: 7, users: shoppers[2:], unhandled: true,
			},
			{
				kind: "SyntaxError", value: "Unexpected end of JSON input", where: "POST /reindex", environment: "staging",
				frames: []frame{{file: "src/reindex.js", function: "readChunk", module: "reindex", line: 17, source: "  return JSON.parse(chunk)", own: true}},
				first:  9 * day, last: 9 * day, events: 1,
			},
		},
		requests: []request{
			{name: "GET /search", op: "http.server", took: 2600 * time.Millisecond, count: 25, every: 90 * time.Minute, calls: []call{
				{op: "cache.get", description: "search:trails", took: 3 * time.Millisecond}, {op: "db", description: "SELECT * FROM trails WHERE earth_box($1, $2) @> place", took: 2300 * time.Millisecond}},
				work: []work{
					{4, below()},
					{31, below(frame{file: "src/trails.js", function: "findTrails", module: "trails", line: 88, own: true}, frame{file: "node_modules/pg/lib/result.js", function: "Result.parseRow", module: "pg.lib:result", line: 61})},
					{14, below(ranking, frame{file: "src/rank.js", function: "distance", module: "rank", line: 7, own: true})},
					{3, below(ranking)},
				}},
			{name: "GET /suggest", op: "http.server", took: 45 * time.Millisecond, count: 20, every: 2 * hour, calls: []call{
				{op: "cache.get", description: "suggest:te", took: 2 * time.Millisecond}}},
		},
		logs:   []logLine{{level: "warn", body: "slow query", count: 20, every: 3 * hour}},
		series: []series{{name: "search.index_size", kind: "gauge", unit: "megabyte", value: 812, flat: true}},
	}
}

func mobile() Project {
	const native = "android/os/"
	waiting := []frame{{file: native + "MessageQueue.java", function: "nativePollOnce", module: "android.os.MessageQueue", line: 335}}
	reading := []frame{
		{file: native + "Looper.java", function: "loop", module: "android.os.Looper", line: 288},
		{file: "MapTiles.kt", function: "open", module: "test.example.outdoors.MapTiles", line: 74, source: "    val tiles = database.rawQuery(ALL_TILES, null)", own: true},
	}
	return Project{
		ID: 51005, Slug: "mobile", Name: "Mobile App", Platform: "react-native",
		releases: []release{{"mobile@7.0.2", 14 * day, nil}, {"mobile@7.1.0", 4 * day, nil}},
		faults: []fault{
			{
				kind: "ApplicationNotResponding", value: "The app did not respond for at least 5000 ms", where: "MapScreen", level: "fatal",
				frames: reading, threads: []thread{{"main", "BLOCKED", reading}, {"mqt_native_modules", "WAITING", waiting}, {"OkHttp Dispatcher", "TIMED_WAITING", waiting}},
				first: 4 * day, last: 5 * hour, events: 12, users: shoppers, unhandled: true,
				crumbs: []string{"navigation|HomeScreen → MapScreen", "device.event|battery 14 %"},
			},
			{
				kind: "TypeError", value: "Network request failed", where: "TripScreen", level: "warning",
				frames: []frame{{file: "src/api/client.ts", function: "getJSON", line: 22, abs: "app:///src/api/client.ts", own: true}},
				first:  13 * day, last: 4 * hour, events: 26, users: shoppers, then: outcome{ignored: true},
			},
			{
				kind: "Invariant Violation", value: "Text strings must be rendered within a <Text> component", where: "GearListScreen",
				frames: []frame{{file: "src/gear/Row.tsx", function: "Row", line: 15, abs: "app:///src/gear/Row.tsx", source: "    <View>{item.weight && item.name}</View>", own: true}},
				first:  4 * day, last: 20 * hour, events: 8, users: shoppers[:4], unhandled: true, then: outcome{assign: "user:1002"},
			},
		},
		requests: []request{
			{name: "MapScreen", op: "ui.load", took: 2100 * time.Millisecond, count: 20, every: 4 * hour, calls: []call{
				{op: "db.sql.query", description: "SELECT * FROM tiles", took: 1500 * time.Millisecond}, {op: "ui.load.initial_display", description: "MapScreen initial display", took: 400 * time.Millisecond}}},
		},
	}
}

// assistant is the shop's agent, which met the story, too.
func assistant() Project {
	return Project{
		ID: 51006, Slug: "ai-assistant", Name: "AI Assistant", Platform: "python",
		story:    brokenCoupons(),
		releases: []release{{"ai-assistant@0.11.0", 14 * day, nil}, {"ai-assistant@0.12.0", 2 * day, nil}},
		faults: []fault{
			{
				kind: "ToolError", value: "price_cart answered 500", where: "assistant.answer",
				frames: []frame{{file: "assistant/tools.py", function: "call", module: "assistant.tools", line: 63, source: "    raise ToolError(f'{tool.name} answered {answer.status}')", own: true}},
				events: 10, story: true, after: time.Minute, tags: map[string]string{"tool": "price_cart"},
			},
			{
				kind: "RateLimitError", value: "the provider takes no more than 60 requests a minute", where: "assistant.answer", level: "warning",
				frames: []frame{{file: "assistant/model.py", function: "complete", module: "assistant.model", line: 38, source: "    return client.chat(messages)", own: true}},
				first:  6 * day, last: 14 * hour, events: 9, users: shoppers,
			},
			{
				kind: "ValueError", value: "the conversation is longer than 128000 tokens", where: "assistant.answer",
				frames: []frame{{file: "assistant/model.py", function: "complete", module: "assistant.model", line: 35, source: "    check_length(messages)", own: true}},
				first:  12 * day, last: 9 * day, events: 3, then: outcome{resolved: true},
			},
		},
		chats: []chat{{
			id: "support-4417", agent: "order-helper", model: "example-large-2", moment: 43,
			question: "Why does my cart stay blank when I use two coupons?",
			answer:   "Both coupons are good, but the service that adds them up fails at the moment. With one of them you can pay.",
			tools: []toolUse{
				{name: "look_up_cart", arguments: `{"cart":"c-88213"}`, result: `{"lines":3,"coupons":["TRAIL10","AUTUMN"]}`, took: 140 * time.Millisecond},
				{name: "price_cart", arguments: `{"cart":"c-88213"}`, result: "500 Internal Server Error", took: 310 * time.Millisecond, failed: true},
			},
		}},
	}
}
