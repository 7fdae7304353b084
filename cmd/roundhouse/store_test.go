package main

import (
	"database/sql"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The password of a store's URL must not show, whatever is wrong with it.
func TestOpenStore_hidesThePassword(t *testing.T) {
	for store, want := range map[string]string{
		"postgres://u:hunter2@127.0.0.1:1/roundhouse?connect_timeout=2": "127.0.0.1",
		"postgres://u:hunter2@127.0.0.1:port/roundhouse":                "cannot be read",
		"mysql://u:hunter2@127.0.0.1/roundhouse":                        "--store",
	} {
		var out strings.Builder
		env := func(name string) string { return map[string]string{"ROUNDHOUSE_STORE": store}[name] }
		err := run(t.Context(), []string{"--addr", "127.0.0.1:0", "--data", t.TempDir()}, env, nil, &out, &out)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\t") {
			t.Errorf("%s: error %v, want one line about %s", store, err, want)
		}
		if strings.Contains(fmt.Sprint(err, out.String()), "hunter2") {
			t.Errorf("%s: the password shows in %q, or in %q", store, err, out.String())
		}
	}
}

func TestOpenStore_file(t *testing.T) {
	data, path := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere.db")
	start(t, data, nil, "--store", path).stop()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(data, "roundhouse.db")); err == nil {
		t.Error("the data directory holds a store, too")
	}
}

// TestPostgres signs in, and goes on after a restart, with all of it in the
// server that .ci/postgres runs.
func TestPostgres(t *testing.T) {
	server := os.Getenv("ROUNDHOUSE_TEST_POSTGRES")
	if server == "" {
		t.Log("without a PostgreSQL server; .ci/postgres, which .ci/run calls, brings one")
		return
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("ROUNDHOUSE_TEST_POSTGRES is not a URL")
	}
	schema := fmt.Sprint("e2e_", time.Now().UnixNano())
	db, err := sql.Open("pgx", server) // package oauth has registered the driver
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()

	data, env := t.TempDir(), map[string]string{"ROUNDHOUSE_STORE": u.String()}
	r := start(t, data, env)
	l := r.login(mara, "")
	before := l.token(t)
	r.stop()
	again := start(t, data, env, "--addr", strings.TrimPrefix(r.url, "http://"))
	checkEveryContext(t, again, l)
	if l.token(t) != before {
		t.Error("the client had to sign in again")
	}
	if _, err := os.Stat(filepath.Join(data, "roundhouse.db")); err == nil {
		t.Error("the data directory holds a store, too")
	}
}

// With the sandbox, nothing is to leave the machine.
func TestConfig_documents(t *testing.T) {
	for _, tt := range []struct {
		setting, sentry string
		want            bool
	}{
		{"", "", false}, {"", "https://sentry.example.com", true},
		{"on", "", true}, {"off", "https://sentry.example.com", false},
	} {
		cfg := &config{ClientDocuments: tt.setting, SentryURL: tt.sentry}
		if got := cfg.documents() != nil; got != tt.want {
			t.Errorf("--client-documents %q with --sentry-url %q: %v, want %v", tt.setting, tt.sentry, got, tt.want)
		}
	}
}

func TestConfig_proxies(t *testing.T) {
	got, err := (&config{TrustedProxies: "10.0.0.0/8, 192.0.2.1,2001:db8::/32"}).proxies()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	if err != nil || !cmp.Equal(got, want, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
		t.Errorf("proxies = %v, %v, want %v", got, err, want)
	}
}
