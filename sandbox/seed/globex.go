package seed

import "time"

func globex() Org {
	return Org{
		ID: 41002, Slug: "globex-labs", Name: "Globex Labs",
		Members:  map[int64]string{1001: "owner", 1003: "member"},
		Teams:    globexTeams(),
		Projects: []Project{collector(), telemetryUI()},
	}
}

var operators = []person{
	{"op-11", "station11@example.test", "192.0.2.11"}, {"op-12", "station12@example.test", "192.0.2.12"}, {"op-19", "station19@example.test", "192.0.2.19"},
}

// lostProbe is the story of the lab: one probe does not answer any more, and
// its charts stay empty.
func lostProbe() story {
	return story{first: 5 * day, last: 25 * time.Minute, times: 24, to: operators}
}

func collector() Project {
	return Project{
		ID: 51101, Slug: "collector", Name: "Collector", Platform: "python",
		story:    lostProbe(),
		releases: []release{{"collector@0.39.0", 14 * day, nil}, {"collector@0.40.2", 9 * day, nil}, {"collector@0.41.0", 5 * day, nil}},
		faults: []fault{
			{
				kind: "ReadTimeout", value: "probe 7781 did not answer within 3 s", where: "collector.tasks.poll_probe",
				frames: []frame{
					{file: "celery/app/trace.py", function: "trace_task", module: "celery.app.trace", line: 451},
					{file: "collector/tasks.py", function: "poll_probe", module: "collector.tasks", line: 88, source: "    frame = probe.read(timeout=3)", own: true},
				},
				events: 24, story: true, after: 3300 * time.Millisecond, apart: time.Second, unhandled: true,
				tags:   map[string]string{"probe.model": "GX-4", "queue": "slow"},
				crumbs: []string{"log|lease acquired for probe 7781", "http|GET http://probe-7781.lab/frame [504]"},
			},
			{
				kind: "KeyError", value: "'CALIBRATION_BUCKET'", where: "collector.settings", environment: "staging",
				frames: []frame{{file: "collector/settings.py", function: "<module>", module: "collector.settings", line: 31, source: "BUCKET = os.environ['CALIBRATION_BUCKET']", own: true}},
				first:  28 * hour, last: 26 * hour, events: 3, unhandled: true,
			},
			{
				kind: "ValueError", value: "checksum mismatch in frame 99812", where: "collector.decode",
				frames: []frame{{file: "collector/decode.py", function: "verify", module: "collector.decode", line: 54, source: "        raise ValueError(f'checksum mismatch in frame {frame.id}')", own: true}},
				first:  12 * day, last: 40 * hour, events: 6, users: operators, then: outcome{regressed: true},
			},
			{
				kind: "ZeroDivisionError", value: "float division by zero", where: "collector.stats",
				frames: []frame{{file: "collector/stats.py", function: "mean", module: "collector.stats", line: 12, source: "    return sum(xs) / len(xs)", own: true}},
				first:  13 * day, last: 10 * day, events: 4, then: outcome{resolved: true},
			},
		},
		requests: []request{
			{name: "collector.tasks.poll_probe", op: "queue.task", took: 3400 * time.Millisecond, story: true, inner: true, after: 60 * time.Millisecond, calls: []call{
				{op: "http.client", description: "GET http://probe.lab/frame", took: 3010 * time.Millisecond}, {op: "db", description: "INSERT INTO frames VALUES (%s, %s)", took: 30 * time.Millisecond}}},
			{name: "collector.decode", op: "function", took: 320 * time.Millisecond, count: 20, calls: []call{{op: "serialize", description: "frame", took: 90 * time.Millisecond}}},
		},
		jobs:   []job{{slug: "calibration-sync", took: 4 * time.Minute, runs: 5}},
		logs:   []logLine{{level: "info", body: "frame stored", count: 8}, {level: "warn", body: "probe answered late", count: 12, story: true, after: 3100 * time.Millisecond}, {level: "error", body: "probe lost", count: 2}},
		series: []series{{name: "frames.stored", kind: "counter", value: 900, since: 0.7, flat: true}},
	}
}

func telemetryUI() Project {
	const app = "https://telemetry.example.test/assets/"
	return Project{
		ID: 51102, Slug: "telemetry-ui", Name: "Telemetry UI", Platform: "javascript-react", site: "https://telemetry.example.test",
		story:    lostProbe(),
		releases: []release{{"telemetry-ui@1.8.1", 14 * day, nil}, {"telemetry-ui@1.9.0", 4 * day, nil}},
		faults: []fault{
			{
				kind: "TypeError", value: "series.map is not a function", where: "/charts/:station",
				frames: []frame{
					{file: "vendor.js", function: "beginWork", line: 4410, abs: app + "vendor.js"},
					{file: "charts/LineChart.jsx", function: "LineChart", line: 27, abs: app + "charts/LineChart.jsx", source: "  const points = series.map(toPoint)", own: true},
				},
				events: 12, story: true, after: 3800 * time.Millisecond, unhandled: true,
				crumbs: []string{"navigation|/charts/11", "fetch|GET /api/series?station=11 [200]"}, tags: map[string]string{"station": "11"},
			},
			{
				kind: "Error", value: "WebSocket closed before the snapshot arrived", where: "/live",
				frames: []frame{{file: "live/socket.js", function: "onClose", line: 61, abs: app + "live/socket.js", own: true}},
				first:  8 * day, last: 6 * hour, events: 6, users: operators[:2], then: outcome{ignored: true},
			},
			{
				kind: "SyntaxError", value: "Unexpected token 'N', \"NaN\" is not valid JSON", where: "/export",
				frames: []frame{{file: "export/parse.js", function: "parseRows", line: 18, abs: app + "export/parse.js", source: "  return JSON.parse(text)", own: true}},
				first:  9 * day, last: 7 * day, events: 4, users: operators[1:], then: outcome{resolved: true},
			},
			{
				kind: "QuotaExceededError", value: "The quota has been exceeded.", where: "/charts/:station", level: "warning",
				frames: []frame{{file: "cache/store.js", function: "put", line: 33, abs: app + "cache/store.js", own: true}},
				first:  2 * day, last: 9 * hour, events: 3, users: operators, then: outcome{assign: "user:1003"},
			},
		},
		requests: []request{
			{name: "/charts/:station", op: "pageload", took: 4100 * time.Millisecond, story: true, calls: []call{
				{op: "http.client", description: "GET /api/series", took: 3600 * time.Millisecond, onward: true}, {op: "ui.react.render", description: "LineChart", took: 260 * time.Millisecond}}},
		},
		logs: []logLine{{level: "info", body: "socket connected", count: 6}, {level: "warn", body: "socket reconnecting", count: 5}},
	}
}
