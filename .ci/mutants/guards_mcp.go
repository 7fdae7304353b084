package main

// whole is the package whose tests go through all of the program.
const whole = "cmd/roundhouse"

// mcpGuards are what stands on an MCP URL between one context and another, and
// between MCP and what only looks like it.
var mcpGuards = []guard{
	// The program as a resource server.
	{attack: "token for another URL", file: "router/auth.go",
		lines: `case !covers(caller.Resource, resource):`, without: `case false:`, test: "TestResourceServer", in: whole},
	{attack: "token for another URL", file: "router/auth.go",
		lines: `strings.HasPrefix(resource, granted+"/")`, without: `strings.HasPrefix(resource, granted)`, test: "TestResourceServer", in: whole},
	{attack: "DNS rebinding", file: "router/origin.go",
		lines: `!slices.Contains(rt.origins, origins[0]) {`, without: `slices.Contains(rt.origins, "none") {`, test: "TestResourceServer", in: whole},
	{attack: "DNS rebinding", file: "router/host.go",
		lines: `if !own && !rt.anyHost(r.URL.EscapedPath()) {`, without: `if !own && false {`, test: "TestRawEdges", in: whole},
	{attack: "no token", file: "router/route.go",
		lines: `	caller, ok := rt.authenticate(w, r, resource)
`, without: `	caller, ok := constraint.Caller{User: "1", Resource: resource}, true
	if r.Method != http.MethodGet {
		caller, ok = rt.authenticate(w, r, resource)
	}
`, test: "TestResourceServer", in: whole},
	{attack: "token in the query", file: "router/auth.go",
		lines: `	headers := r.Header.Values("Authorization")
`, without: `	if token := r.URL.Query().Get("access_token"); token != "" {
		return token, rt.Verify
	}
	headers := r.Header.Values("Authorization")
`, test: "TestResourceServer", in: whole},
	{attack: "token after its end", file: "oauth/verify.go",
		lines: `!now.Before(access.Expires) || `, test: "TestResourceServer", in: whole},
	{attack: "metadata of another resource", file: "router/metadata.go",
		lines: `Resource: rt.resource(org, project),`, without: `Resource: rt.resource("", ""),`, test: "TestResourceServer", in: whole},
	{attack: "a call beyond the skills", file: "router/route.go",
		lines: `if !ok || !rt.admitCall(w, resource, key, caller, body) {`,
		without: `named := body
	if name := r.Header.Get("Mcp-Name"); name != "" {
		named = []byte("{\"method\":\"tools/call\",\"params\":{\"name\":\"" + name + "\"}}")
	}
	if !ok || !rt.admitCall(w, resource, key, caller, named) {`, test: "TestResourceServer", in: whole},
	{attack: "a call beyond the skills", file: "tools/step_up.go",
		lines: `if m.Params.Name != executeToolsName {`, without: `if true {`, test: "TestResourceServer", in: whole},
	{attack: "a call beyond the skills", file: "tools/catalog.go",
		lines: `if !ok || !e.allows(ctx, n.Skills) {`, without: `if !ok {`, test: "TestCatalog_skills"},
	{attack: "a skill that implies another", file: "tools/step_up.go",
		lines: `n == nil || slices.ContainsFunc(n.Skills, caller.Has)`, without: `n == nil || caller.Has(n.Skills[len(n.Skills)-1])`, test: "TestResourceServer", in: whole},

	// Sessions.
	{attack: "another's session", file: "transport/session.go",
		lines: `		n := s.uses.Load()
		if n < 0 {
			return nil
		}
`, without: `		n := max(s.uses.Load(), 0)
`, also: []edit{{`	s := ss.all[id]
	ss.mu.Unlock()
	if s == nil {
		return nil
	}
`, `	s := ss.all[id]
	if s == nil {
		s = newSession(ss, id)
	}
	ss.mu.Unlock()
`}}, test: "TestSessionOwnership", in: whole},
	{attack: "another's session", file: "transport/session.go",
		lines: `	mac.Write([]byte(ss.key.Identity())) // of fixed length
`, test: "TestSessions_genuine"},
	{attack: "another's session", file: "transport/session.go",
		lines: `return hmac.Equal(b[len(body):], ss.tag(body))`, without: `return len(body) > 0`, test: "TestSessions_genuine"},
	{attack: "no session", file: "transport/transport.go",
		lines: `		refuse(w, m, jsonrpc.InvalidRequest, "Mcp-Session-Id is missing: send initialize first", nil)
		return nil
`, without: `		s, _ := t.sessions.begin()
		return s
`, test: "TestRawEdges", in: whole},
	{attack: "a session after its end", file: "transport/transport.go",
		lines: `		s.end()
		w.WriteHeader(http.StatusOK)
`, without: `		w.WriteHeader(http.StatusOK)
`, test: "TestSessionOwnership", in: whole},
	{attack: "a session that can be guessed", file: "transport/session.go",
		lines: `	rand.Read(body[epochSize:])
`, test: "TestSessions_Limits"},
	{attack: "flood of sessions", file: "transport/session.go",
		lines: `if len(ss.all) >= ss.limit {`, without: `if false {`, test: "TestSessions_Limits"},

	// Streams.
	{attack: "another's events", file: "transport/eventlog.go",
		lines: `	of := l.sessions[session]
	if of == nil {
		return nil, nil, false
	}
	l.trim(`, without: `	of := l.sessions[session]
	for other, theirs := range l.sessions {
		for _, e := range theirs.events {
			if e.id == id {
				session, of = other, theirs
			}
		}
	}
	if of == nil {
		return nil, nil, false
	}
	l.trim(`, test: "TestResume_Refused"},
	{attack: "a stream after the token's end", file: "router/stream.go",
		lines: `		o.end(errTokenEnded)
		return
`, without: `		return
`, test: "TestStreams_End"},
	{attack: "flood of streams", file: "actors/lease.go",
		lines: `if l.open.Add(1) > l.maxOpen {`, without: `if l.open.Add(1) < 0 {`, test: "TestNode_Streams"},
	{attack: "another's resource", file: "transport/listen.go",
		lines: `if s.Watch(uri) == nil {`, without: `if s.Watch(uri); true {`, test: "TestWatch_listen"},

	// Tasks and questions.
	{attack: "another's task", file: "task/sql.go",
		lines: ` AND context = ? AND expires_at > ?`, without: ` AND expires_at > ?`,
		also: []edit{{`ref.ID, ref.Key.String(), millis(now))
	err := row`, `ref.ID, millis(now))
	err := row`}}, test: "TestSQLStore_SQLite"},
	{attack: "another's task", file: "transport/tasks.go",
		lines: `if _, may := ts.tool(ctx, t.Tool); !may && t.Tool != "" {`, without: `if false {`, test: "TestTasks_foreign"},
	{attack: "a task without its header", file: "transport/tasks.go",
		lines:   `if name, ok := mcp.DecodeHeaderValue(r.Header.Get(mcp.HeaderName)); !ok || name != m.TaskID || name == "" {`,
		without: `if false {`, test: "TestTasks_refusals"},
	{attack: "another call's yes", file: "tools/request_state.go",
		lines: `+ c.key.Identity())`, without: `)`, test: "TestConfirm"},
	{attack: "another call's yes", file: "tools/request_state.go",
		lines: `	b = append(b, sum[:]...)
`, without: `	_ = sum
`, test: "TestConfirm"},
	{attack: "another call's yes", file: "tools/request_state.go",
		lines: `	return append(b, c.tool...)
`, without: `	return b
`, test: "TestConfirm"},
	{attack: "a yes of long ago", file: "tools/request_state.go",
		lines: ` || s.now().Unix() > int64(binary.BigEndian.Uint64(expires))`, test: "TestConfirm"},

	// What only looks like MCP.
	{attack: "two readings of a message", file: "transport/admit.go",
		lines: `	case m.Twice != "":
		wrong = "the message has more than one " + m.Twice
`, test: "TestEdges"},
	{attack: "two readings of a message", file: "transport/admit.go",
		lines: `if len(r.Header[http.CanonicalHeaderKey(name)]) > 1 {`, without: `if false {`, test: "TestEdges"},
	{attack: "a form that a browser sends", file: "transport/admit.go",
		lines: `err != nil || media != "application/json" {`, without: `media == "none" {`, also: []edit{{`if media, _, err := mime`, `if media, _, _ := mime`}}, test: "TestRawEdges", in: whole},
	{attack: "the other era", file: "transport/transport.go",
		lines: `		withoutLastEventID(r)
`, test: "TestRawEdges", in: whole},
	{attack: "the other era", file: "transport/admit.go",
		lines: `case m.ID != nil && !isID(m.ID):`, without: `case m.ID != nil && false:`, test: "TestRawEdges", in: whole},
	{attack: "an undeclared capability", file: "transport/capability.go",
		lines: `	RefuseCapability(w, m, required)
	return false
}`, without: `	return true
}`, test: "TestEdges"},
	{attack: "a batch", file: "transport/admit.go",
		lines: `	case m.Form == Batch:
		wrong = "batches are not served: send one message at a time"
`, test: "TestRawEdges", in: whole},
}
