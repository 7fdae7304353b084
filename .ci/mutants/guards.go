package main

// guards are what the tests of attacks are tests of.
var guards = []guard{
	// What a stolen code is worth.
	{attack: "code injection", file: "oauth/token.go",
		lines: `spent.ClientID != client.ID || `, test: "TestServer_token_refusesACode"},
	{attack: "code injection", file: "oauth/token.go",
		lines: `spent.RedirectURI != redirectURI || `, test: "TestServer_token_refusesACode"},
	{attack: "code injection", file: "oauth/token.go",
		lines: ` || !verifierMatches(verifier, spent.Challenge)`, test: "TestServer_token_refusesACode"},
	{attack: "code injection", file: "oauth/token.go",
		lines:   `return tokenResponse{}, s.revokeFor(ctx, "code not this client's", spent.Grant, client)`,
		without: `return tokenResponse{}, s.store.PutTicket(ctx, Ticket{Key: hashOf("code", code)})`, test: "TestServer_token_stolenCodeIsSpent"},
	{attack: "code replay", file: "oauth/token.go",
		lines:   `return tokenResponse{}, s.revokeFor(ctx, "code replayed", spent.Grant, client)`,
		without: `return tokenResponse{}, invalidGrant()`, test: "TestServer_token_codeReplayRevokes"},
	{attack: "code replay", file: "oauth/sql_rows.go",
		lines: `taken = n == 0`, without: `_ = n`, test: "TestServer_token_codeReplayRevokes"},

	{attack: "PKCE downgrade", file: "oauth/pkce.go",
		lines: `if method != "S256" {`, without: `if false {`, test: "TestServer_authorize_redirectsErrors"},
	{attack: "PKCE downgrade", file: "oauth/authorize.go",
		lines:   `checkChallenge(q.Get("code_challenge"), q.Get("code_challenge_method")); err != nil {`,
		without: `checkChallenge(q.Get("code_challenge"), q.Get("code_challenge_method")); q.Has("code_challenge") && err != nil {`,
		test:    "TestServer_authorize_redirectsErrors"},
	{attack: "PKCE downgrade", file: "oauth/pkce.go",
		lines: `len(verifier) < 43 || `, test: "TestServer_token_refusesACode"},
	{attack: "PKCE downgrade", file: "oauth/consent.go",
		lines: `, oauth2.S256ChallengeOption(pending.Verifier)`, test: "TestServer_walk"},

	{attack: "redirect mix-up", file: "oauth/redirect.go",
		lines: `params.Set("iss", s.issuer)`, test: "TestServer_walk"},
	{attack: "redirect mix-up", file: "oauth/redirect.go",
		lines: `params.Set("iss", s.issuer)`, without: `if params.Has("code") {
		params.Set("iss", s.issuer)
	}`, test: "TestServer_authorize_redirectsErrors"},
	{attack: "open redirect", file: "oauth/authorize.go",
		lines: `if !client.mayRedirect(redirectURI) {`, without: `if false {`, test: "TestServer_authorize_neverRedirects"},
	{attack: "open redirect", file: "oauth/authorize.go",
		lines: `if local && strings.HasPrefix(uri, "http://") {`, without: `if local || strings.HasPrefix(uri, "http") {`, test: "TestAttack_openRedirectByError"},
	{attack: "open redirect", file: "oauth/redirect.go",
		lines: ` && a.Hostname() == b.Hostname() &&`, without: ` &&`, test: "TestRedirectMatches"},
	{attack: "open redirect", file: "oauth/redirect.go",
		lines: `a.Scheme == "http" && b.Scheme == "http" &&`, without: `a.Scheme == b.Scheme &&`, test: "TestRedirectMatches"},

	{attack: "resource swap", file: "oauth/resource.go",
		lines: `if !within(authorized, resource) {`, without: `if false {`, test: "TestServer_token_refusesACode"},
	{attack: "resource swap", file: "oauth/resource.go",
		lines: `strings.HasPrefix(inner, outer+"/")`, without: `strings.HasPrefix(inner, outer)`, test: "TestServer_token_refusesACode"},
	{attack: "resource swap", file: "oauth/refresh.go",
		lines:   `resource, err := s.narrowResource(grant.Resource, form.Get("resource"))`,
		without: `resource, err := s.checkResource(form.Get("resource"))`, test: "TestAttack_resourceSwap"},
	{attack: "resource swap", file: "router/auth.go",
		lines: `case !covers(caller.Resource, resource):`, without: `case false:`, test: "TestExchanges"},
	{attack: "resource swap", file: "router/auth.go",
		lines: `strings.HasPrefix(resource, granted+"/")`, without: `strings.HasPrefix(resource, granted)`, test: "TestCovers"},

	{attack: "confused deputy", file: "oauth/authorize.go",
		lines: `err = s.askConsent(w, r, pending, "")`,
		without: `pending.Skills = pending.Asked
		err = s.goUpstream(w, r, pending)`, test: "TestAttack_confusedDeputy"},
	{attack: "confused deputy", file: "oauth/consent.go",
		lines: `s.page(w, status, "consent.html", s.consentPage(pending, token, problem))`,
		without: `w.Header().Set("X-State", pending.Login)
	s.page(w, status, "consent.html", s.consentPage(pending, token, problem))`, test: "TestAttack_confusedDeputy"},
	{attack: "confused deputy", file: "oauth/consent.go",
		lines: `upstream.Scopes = scopes`, without: `upstream.Scopes = append(scopes, s.upstreamScopes(skillIDs(s.skills))...)`, test: "TestServer_walk"},
	{attack: "confused deputy", file: "oauth/callback.go",
		lines: `if pending.User != "" && came.user.ID != pending.User {`, without: `if false {`, test: "TestServer_personalToken_anotherUserComesBack"},
	{attack: "confused deputy", file: "oauth/callback.go",
		lines: `if !ok {
		return invalidTarget()`, without: `if !ok && false {
		return invalidTarget()`, test: "TestServer_callback_refusesWhatTheUserCannotSee"},

	{attack: "CSRF on consent", file: "oauth/consent.go",
		lines: `return "consent " + browser }`, without: `return "consent" }`, test: "TestServer_consent_refusesAForgedForm"},
	{attack: "CSRF on consent", file: "oauth/consent.go",
		lines: `if r.PostForm.Get("answer") != "approve" {`, without: `if r.PostForm.Get("answer") == "cancel" {`, test: "TestAttack_consentByDefault"},
	{attack: "CSRF on consent", file: "oauth/sql_rows.go",
		lines: `} else if n == 0 {`, without: `} else if n < 0 {`, test: "TestServer_consent_worksOnce"},
	{attack: "CSRF with a device's code", file: "oauth/page.go",
		lines: `site == "cross-site" || site == "same-site"`, without: `site == "none"`, test: "TestAttack_formOfAnotherSite"},
	{attack: "CSRF on the account page", file: "oauth/account.go",
		lines:   `err := r.ParseForm(); err != nil || !hashOf(r.PostForm.Get("proof")).equal(hashOf(who.proof()))`,
		without: `err := r.ParseForm(); err != nil`, test: "TestServer_account_refusesForms"},
	{attack: "another user's grant", file: "oauth/account.go",
		lines: `if grant.User != who.User && !who.Admin {`, without: `if false {`, test: "TestServer_account_refusesForms"},
	{attack: "another user's grant", file: "oauth/account.go",
		lines: `if user != who.User && !who.Admin {`, without: `if false {`, test: "TestServer_account_refusesForms"},
	{attack: "becoming an administrator", file: "cmd/roundhouse/wire.go",
		lines: `if user.Unverified() {`, without: `if false {`, test: "TestIsAdmin_byEmail"},
	{attack: "becoming an administrator", file: "cmd/roundhouse/account.go",
		lines: `slices.Contains(p.admins.emails, lowerASCII(user.Email)) {`, without: `slices.Contains(p.admins.emails, strings.ToLower(user.Email)) {`, test: "TestIsAdmin_byEmail"},
	{attack: "clickjacking", file: "oauth/page.go",
		lines: `h.Set("X-Frame-Options", "DENY")`, test: "TestServer_consentPage"},
	{attack: "clickjacking", file: "oauth/page.go",
		lines: ` frame-ancestors 'none';`, test: "TestServer_consentPage"},

	{attack: "session fixation", file: "oauth/ticket.go",
		lines: `return hashOf("login", state, browser) }`, without: `return hashOf("login", state) }`, test: "TestServer_callback_isBoundToTheBrowser"},
	{attack: "session fixation", file: "oauth/consent.go",
		lines: `return cookie.Value
	}
	return newSecret("")`, without: `return cookie.Value
	}
	return ""`, test: "TestServer_consent_refusesAForgedForm"},
	{attack: "session fixation", file: "oauth/account.go",
		lines: `secret, now := newSecret(""), s.now()`,
		without: `secret, now := newSecret(""), s.now()
	if cookie, err := r.Cookie(s.cookie.name + "-account"); err == nil && cookie.Value != "" {
		secret = cookie.Value
	}`, test: "TestServer_account_fixation"},
	{attack: "session fixation", file: "oauth/consent.go",
		lines: `Secure: c.secure, HttpOnly: true`, without: `Secure: c.secure`, test: "TestServer_cookie"},

	{attack: "refresh replay by a thief", file: "oauth/refresh.go",
		lines:   `return tokenResponse{}, s.revokeFor(ctx, "refresh token reused", grant.ID, client)`,
		without: `return tokenResponse{}, invalidGrant()`, test: "TestServer_refresh_reuseRevokes"},
	{attack: "refresh replay by a thief", file: "oauth/refresh.go",
		lines: `inWindow := s.now().Sub(grant.Rotated) <= replayWindow`, without: `inWindow := true`, test: "TestServer_refresh_reuseRevokes"},
	{attack: "refresh replay by a thief", file: "oauth/refresh.go",
		lines: `grant.ClientID != client.ID || `, test: "TestServer_refresh_isBoundToTheClient"},
	{attack: "refresh replay by a thief", file: "oauth/lineage.go",
		lines: `return body, hmac.Equal(tag, mac(l.tagKey, body)[:refreshTagSize])`, without: `_ = tag
	return body, true`, test: "TestServer_refresh_inventedTokenRevokesNothing"},
	{attack: "refresh replay by a thief", file: "oauth/sql_rows.go",
		lines: ` AND refresh_hash = ?`, also: []edit{{`i.Access.Grant, i.From[:])`, `i.Access.Grant)`}}, test: "TestSQLiteStore"},
	{attack: "token left upstream", file: "oauth/callback.go",
		lines: `for _, old := range gaveWay {`, without: `for _, old := range gaveWay[:0] {`, test: "TestServer_gaveWay"},
	{attack: "another grant's token ended", file: "oauth/revoke.go",
		lines: `needed || err != nil {`, without: `needed && err != nil {`, test: "TestServer_revoke_sharedUpstreamToken"},
	{attack: "token after its end", file: "oauth/verify.go",
		lines: `!now.Before(access.Expires) || `, test: "TestServer_Verify"},
	{attack: "token moved to another row", file: "oauth/seal.go",
		lines: `append(append(make([]byte, 0, len(header)+len(place)), header...), place...)`, without: `header`, test: "TestServer_UpstreamToken_sealedForItsGrant"},
	{attack: "lost rotation upstream", file: "oauth/upstream.go",
		lines: `if s.now().Before(grant.Upstream.Lease) {`, without: `if false {`, test: "TestServer_UpstreamToken_waitsForAnotherProcess"},
	{attack: "lost rotation upstream", file: "oauth/upstream.go",
		lines: `context.WithTimeout(context.WithoutCancel(ctx), leaseLife)`, without: `context.WithTimeout(ctx, leaseLife)`,
		also: []edit{{`return s.rotateUpstream(context.WithoutCancel(ctx), grant)`, `return s.rotateUpstream(ctx, grant)`}}, test: "TestServer_UpstreamToken_callerGivesUp"},
	{attack: "lost rotation upstream", file: "oauth/sql_rows.go",
		lines: ` AND upstream_generation = ?`, also: []edit{{`millis(next.Lease), grant, generation)`, `millis(next.Lease), grant)`}}, test: "TestSQLiteStore"},

	{attack: "lost rotation upstream", file: "oauth/upstream.go",
		lines: `defer s.rotating.begin()()`, test: "TestServer_Wait_forRefreshes"},
	{attack: "lost rotation upstream", file: "oauth/upstream.go",
		lines: `s.keepRotated(ctx, grant, Upstream`, without: `s.swap(ctx, grant, Upstream`, test: "TestServer_UpstreamToken_storeFailsForAWhile"},

	{attack: "SSRF by a client document", file: "oauth/cimd/fetch.go",
		lines: `if !public(addr) {`, without: `if false {`, test: "TestFetcher_Get_inward"},
	{attack: "SSRF by a client document", file: "oauth/cimd/address.go",
		lines: ` || addr.Is6() && !ipv6Unicast.Contains(addr)`, test: "TestPublic"},
	{attack: "SSRF by a client document", file: "oauth/cimd/address.go",
		lines: `	"169.254.0.0/16",   // link-local; holds 169.254.169.254
`, test: "TestPublic"},
	{attack: "SSRF by a client document", file: "oauth/cimd/address.go",
		lines: `	"100.64.0.0/10",    // shared by carriers' customers; holds 100.100.100.200
`, test: "TestPublic"},
	{attack: "SSRF by a client document", file: "oauth/cimd/address.go",
		lines: `	"2002::/16",         // 6to4, which embeds IPv4
`, test: "TestPublic"},
	{attack: "SSRF by a client document", file: "oauth/cimd/url.go",
		lines: `if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {`, without: `if last := labels[len(labels)-1]; last == "" {`, test: "TestFetcher_Get_badURLs"},
	{attack: "SSRF: DNS rebinding", file: "oauth/cimd/fetch.go",
		lines: `		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
`, without: `		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(to)
			if again, err := f.lookup(ctx, host); err == nil && len(again) > 0 {
				addr = again[0]
			}
`, test: "TestFetcher_Get_rebinding"},
	{attack: "SSRF: redirects", file: "oauth/cimd/fetch.go",
		lines: `resp, err := f.transport(addr).RoundTrip(req)`, without: `resp, err := (&http.Client{Transport: f.transport(addr)}).Do(req)`, test: "TestFetcher_Get_badAnswers"},
	{attack: "SSRF: large bodies", file: "oauth/cimd/fetch.go",
		lines: `io.LimitReader(resp.Body, maxDocument+1)`, without: `io.LimitReader(resp.Body, maxDocument)`, test: "TestFetcher_Get_badAnswers"},
	{attack: "SSRF: slow bodies", file: "oauth/cimd/fetch.go",
		lines: `ctx, cancel := context.WithTimeout(ctx, f.patience)`, without: `ctx, cancel := context.WithTimeout(ctx, 100*f.patience)`, test: "TestFetcher_Get_slowBody"},
	{attack: "another's client document", file: "oauth/cimd/fetch.go",
		lines: `if doc.ID != id {`, without: `if false {`, test: "TestFetcher_Get_badAnswers"},
	{attack: "another's client document", file: "oauth/described.go",
		lines: `case "", authNone:`, without: `case "", authNone, authPost, authBasic:`, test: "TestServer_describedClient_refuses"},

	{attack: "registration flood", file: "oauth/register.go",
		lines:   `if err := s.limit(r.Context(), s.limits.register); err != nil {`,
		without: `if err := s.limit(r.Context(), s.limits.register); err != nil && false {`, test: "TestServer_limits_registration"},
	{attack: "registration flood", file: "oauth/sql_rows.go",
		lines: `c.ID, purgeBatch, MaxIdleClients-1`, without: `c.ID, purgeBatch, 1<<30`, test: "TestSQLiteStore_isBounded"},
	{attack: "registration flood", file: "oauth/callback.go",
		lines: `if err := s.store.PutClient(ctx, pending.Client); err != nil {`, without: `if err := error(nil); err != nil {`, test: "TestServer_register_flood"},
	{attack: "registration flood", file: "oauth/limit.go",
		lines: `bits = [2]int{64, 48}`, without: `bits = [2]int{128, 48}`, test: "TestLimiter"},
	{attack: "registration flood", file: "oauth/limit.go",
		lines: `bits = [2]int{64, 48}`, without: `bits = [2]int{64, 64}`, test: "TestLimiter"},
	{attack: "registration flood", file: "router/source.go",
		lines: `if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(source) }) {`, without: `if len(trusted) > 1000 {`, test: "TestSource"},
	{attack: "flood of approvals", file: "oauth/consent.go",
		lines:   `if err := s.limit(r.Context(), s.limits.approve); err != nil {`,
		without: `if err := s.limit(r.Context(), s.limits.approve); err != nil && false {`, test: "TestServer_limits_approvals"},
	{attack: "an end hidden by a limit", file: "oauth/token.go",
		lines: ` && s.unspent(ctx, code) {`, without: ` {`, test: "TestServer_limits_neverHideTheEnd"},
	{attack: "audit forgery", file: "oauth/event.go",
		lines: `return printing(strings.ToValidUTF8(text[:min(len(text), maxEventText)], ""))`, without: `return strings.ToValidUTF8(text[:min(len(text), maxEventText)], "")`, test: "TestAttack_controlCharacters"},
	{attack: "audit flood", file: "oauth/event.go",
		lines: `if s.limits.noise.Take(sourceFrom(ctx)) == 0 {`, without: `if true {`, test: "TestAttack_auditFlood"},
	{attack: "audit flood", file: "oauth/event.go",
		lines: `most = maxWaitingRefusals`, without: `most = maxWaitingEvents`, test: "TestAttack_auditFloodFromEverywhere"},
	{attack: "audit flood", file: "oauth/sql_event.go",
		lines: `if of.User != "" {`, without: `if of.User == "everybody" {`, test: "TestSQLiteStore_boundsEventsPerUser"},
	{attack: "guessing user codes", file: "oauth/device.go",
		lines: `s.limits.userCode`, without: `s.limits.device`, test: "TestServer_device_guesses"},
	{attack: "guessing Sentry's tokens", file: "cmd/roundhouse/passthrough.go",
		lines: `wait := p.limit.Take(b.source); wait > 0 {`, without: `wait := p.limit.Take(b.source); wait > time.Hour {`, test: "TestPassthrough"},
	{attack: "guessing Sentry's tokens", file: "cmd/roundhouse/passthrough.go",
		lines: `p.limit.Take(b.source)`, without: `p.limit.Take(netip.AddrFrom4([4]byte(b.source.AsSlice()[len(b.source.AsSlice())-4:])))`, test: "TestPassthrough"},

	{attack: "unknown client told apart", file: "oauth/client.go",
		lines: `	// Compared whether or not there is such a client, so that the time does not
`, without: `	if !known {
		return Client{}, &Error{Code: codeInvalidClient, Description: "there is no such client", Status: http.StatusUnauthorized}
	}
`, test: "TestServer_unknownClient"},
	{attack: "unknown client told apart", file: "oauth/client.go",
		lines: `if !known || method != client.AuthMethod`, without: `if !known {
		s.store.Grant(r.Context(), id)
	}
	if !known || method != client.AuthMethod`, test: "TestServer_unknownClient"},
	{attack: "unknown context told apart", file: "router/route.go",
		lines: `	caller, ok := rt.authenticate(w, r, resource)
`, without: `	if key, err := constraint.New("anybody", org, project); err == nil {
		_, done, err := rt.Directory.Acquire(r.Context(), key)
		if err != nil {
			rt.refuse(w, r, resource, err)
			return
		}
		done()
	}
	caller, ok := rt.authenticate(w, r, resource)
`, test: "TestUnknownContext"},

	{attack: "token in the query", file: "oauth/token.go",
		lines: `	for name, values := range r.PostForm {`, without: `	r.PostForm = r.Form
	for name, values := range r.PostForm {`, test: "TestServer_token_refusesAForm"},
	{attack: "token in the query", file: "router/auth.go",
		lines: `	headers := r.Header.Values("Authorization")
`, without: `	if token := r.URL.Query().Get("access_token"); token != "" {
		return token, rt.Verify
	}
	headers := r.Header.Values("Authorization")
`, test: "TestExchanges"},

	{attack: "header smuggling", file: "router/auth.go",
		lines: `if len(headers) != 1 {`, without: `if len(headers) == 0 {`, test: "TestExchanges"},
	{attack: "header smuggling", file: "router/origin.go",
		lines: `if len(origins) > 1 || !slices`, without: `if !slices`, test: "TestTwoOrigins"},
	{attack: "header smuggling", file: "router/origin.go",
		lines: `!slices.Contains(rt.origins, origins[0]) {`, without: `slices.Contains(rt.origins, "none") {`, test: "TestExchanges"},
	{attack: "header smuggling", file: "router/route.go",
		lines: `if err := constraint.Check(org, project); err != nil {`, without: `if err := constraint.Check(org, project); err != nil && false {`, test: "TestExchanges"},
	{attack: "header smuggling", file: "oauth/client.go",
		lines: `			return "", "", "", invalidRequest("the client authenticates in two ways at once")
`, without: `			secret = ""
`, test: "TestServer_token_confidentialClient"},
	{attack: "header smuggling", file: "oauth/authorize.go",
		lines: ` || repeated(q, "client_id", "redirect_uri")`, test: "TestServer_authorize_neverRedirects"},
	{attack: "header smuggling", file: "oauth/token.go",
		lines: `if len(values) > 1 {`, without: `if len(values) > 1000 {`, test: "TestServer_token_refusesAForm"},
	{attack: "header smuggling", file: "oauth/redirect.go",
		lines: `if c := uri[i]; c <= ' ' || c >= 0x7f || strings`, without: `if c := uri[i]; c == 0 || strings`, test: "TestCheckRedirectURI"},

	{attack: "XSS in client names", file: "oauth/page.go",
		lines: `	Client       string // as it calls itself; anybody can claim any name`, without: `	Client template.HTML`,
		also: []edit{{`Client:       pending.Client.Name,`, `Client: template.HTML(pending.Client.Name),`}}, test: "TestServer_consentPage_says"},
	{attack: "XSS in client names", file: "oauth/page.go",
		lines: `default-src 'none'; `, test: "TestServer_consentPage"},
	{attack: "XSS in client names", file: "oauth/register.go",
		lines: `if r == unicode.ReplacementChar || !unicode.IsPrint(r) {`, without: `if r == unicode.ReplacementChar {`, test: "TestServer_consentPage_says"},
	{attack: "XSS in redirect URIs", file: "oauth/redirect.go",
		lines: `case slices.Contains(refusedSchemes, scheme), strings`, without: `case scheme == "none" && strings`, test: "TestCheckRedirectURI"},
}
