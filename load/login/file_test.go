package login

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tokenFile(t testing.TB, mode os.FileMode, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func mustRead(t *testing.T, path string) *File {
	t.Helper()
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// logins begins those of f, whose requests go to the world's hosts.
func (w *world) logins(f *File, progress func(string)) []Login {
	w.t.Helper()
	all, err := f.Logins(w.t.Context(), Config{URL: place, HTTP: &http.Client{Transport: w.hosts()}, Progress: progress})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestReadFile(t *testing.T) {
	f, err := ReadFile(tokenFile(t, 0o600, "# ann\nsecret-ann\n\n  {\"token\": \"secret-bob\"}  \r\n"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Logins(t.Context(), Config{URL: place})
	if err != nil || f.Users() != 2 {
		t.Fatalf("%d users, %v", f.Users(), err)
	}
	var got []string
	for _, l := range all {
		header, err := l.Authorization(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header)
	}
	if diff := cmp.Diff([]string{"Bearer secret-ann", "Bearer secret-bob"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", all, all, all, all); strings.Contains(shown, "secret-") {
		t.Errorf("printed, they are %s", shown)
	}
}

func TestReadFile_refuses(t *testing.T) {
	for _, tt := range []struct {
		why     string
		mode    os.FileMode
		content string
		says    string
	}{
		{"the group may read it", 0o640, "secret-a", "chmod 600"},
		{"all may read it", 0o604, "secret-a", "chmod 600"},
		{"nothing in it", 0o600, "# nobody\n", "no token"},
		{"no JSON", 0o600, "secret-a\n{secret-b\n", ":2: not a JSON object"},
		{"a field nobody knows", 0o600, `{"secret-field":1}`, ":1: not a JSON object"},
		{"two on a line", 0o600, `{"token":"secret-a"} {"token":"secret-b"}`, ":1: not a JSON object"},
		{"a header", 0o600, "Bearer secret-a", ":1: a token has neither"},
		{"quotation marks", 0o600, `"secret-a"`, ":1: a token has neither"},
		{"an empty token", 0o600, `{"token":""}`, ":1: there is no token"},
		{"a line break in a token", 0o600, `{"token":"secret-a\r\nX: y"}`, ":1: a token has neither"},
		{"a refresh token of nobody", 0o600, `{"token":"secret-a","refresh_token":"secret-b"}`, ":1: refresh_token and client_id"},
		{"an expiry that is none", 0o600, `{"token":"secret-a","expires":"soon"}`, ":1: not a JSON object"},
		{"a line without end", 0o600, "x\n" + strings.Repeat("secret-", maxLine), ":2: the line has more than"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			_, err := ReadFile(tokenFile(t, tt.mode, tt.content))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
			noSecret(t, err)
		})
	}
	if _, err := ReadFile(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}

// A refresh token is good once, so what it was changed into is in the file
// before anybody needs it; what else is there stays.
func TestFile_refresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.current["secret-refresh-0"] = "9"
		path := tokenFile(t, 0o600, "# two\nsecret-ann\n"+`{"token":"secret-old","refresh_token":"secret-refresh-0","client_id":"client-1"}`+"\n# end")
		f := mustRead(t, path)
		all := w.logins(f, nil)
		if got := w.header(all[1]); got != "Bearer secret-old" {
			t.Errorf("first %q", got)
		}
		synctest.Wait()
		if got := w.header(all[1]); got != "Bearer secret-access-9-1" || w.times("/register") != 0 {
			t.Errorf("then %q, and %d clients were registered", got, w.times("/register"))
		}
		f.Close()
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := "# two\nsecret-ann\n" + fmt.Sprintf(`{"token":"secret-access-9-1","expires":%q,"refresh_token":"secret-refresh-9-1","client_id":"client-1"}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)) + "\n# end"
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("the file is (-want +got):\n%s", diff)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("beside it there is %v, %v", left, err)
		}
		if diff := cmp.Diff(Counts{Refreshes: 1}, f.Counts()); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		again, err := ReadFile(path)
		if err != nil || again.Users() != 2 {
			t.Errorf("read again: %v", err)
		}
	})
}

// Several processes keep the tokens of their own users in one file.
func TestFile_workers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const workers = 4
		content := ""
		for i := range workers {
			w.current[fmt.Sprintf("secret-refresh-0%d", i)] = fmt.Sprint("user", i)
			content += fmt.Sprintf(`{"token":"secret-old-%d","refresh_token":"secret-refresh-0%d","client_id":"client-1"}`+"\n", i, i)
		}
		path := tokenFile(t, 0o600, content)
		var files []*File
		var users []Login
		for i := range workers {
			f := mustRead(t, path)
			files, users = append(files, f), append(users, w.logins(f, nil)[i])
		}
		for range 2 { // the second refresh finds what the first has written
			for _, u := range users {
				w.header(u)
			}
			synctest.Wait()
			time.Sleep(time.Hour)
		}
		for _, f := range files {
			f.Close()
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range workers {
			if n := strings.Count(string(got), fmt.Sprintf(`"secret-access-user%d-`, i)); n != 1 {
				t.Errorf("user %d is in the file %d times:\n%s", i, n, got)
			}
		}
		for token := range w.current {
			if !strings.Contains(string(got), token) {
				t.Errorf("the file has not the refresh token that is good now, %s:\n%s", token, got)
			}
		}
	})
}

// What somebody changes by hand meanwhile is not written over.
func TestFile_edited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.current["secret-refresh-0"] = "9"
		path := tokenFile(t, 0o600, `{"token":"secret-old","refresh_token":"secret-refresh-0","client_id":"client-1"}`)
		f := mustRead(t, path)
		if err := os.WriteFile(path, []byte("secret-another"), 0o600); err != nil {
			t.Fatal(err)
		}
		var told string
		all := w.logins(f, func(what string) { told = what })
		w.header(all[0])
		f.Close()
		if got, err := os.ReadFile(path); err != nil || string(got) != "secret-another" || !strings.Contains(told, "somebody else") {
			t.Errorf("the file is %q, %v; told %q", got, err, told)
		}
	})
}

// A token that ended before the run began is refreshed before it is used.
func TestFile_ended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.current["secret-refresh-0"] = "9"
		ended := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
		f := mustRead(t, tokenFile(t, 0o600, fmt.Sprintf(`{"token":"secret-old","expires":%q,"refresh_token":"secret-refresh-0","client_id":"client-1"}`, ended)))
		all := w.logins(f, nil)
		if got := w.header(all[0]); got != "Bearer secret-access-9-1" {
			t.Errorf("got %q", got)
		}
		f.Close()
	})
}

// An MCP server that names an authorization server of its own gets no refresh
// token.
func TestFile_issuer(t *testing.T) {
	w := newWorld(t)
	client := &http.Client{Transport: w.hosts()}
	for _, tt := range []struct{ why, issuer, says string }{
		{"on the same host", "", ""},
		{"the one that is named", issuer, ""},
		{"another than is named", "https://auth.test", "which is not the issuer"},
	} {
		f, err := ReadFile(tokenFile(t, 0o600, fmt.Sprintf(`{"token":"secret-a","refresh_token":"secret-b","client_id":"client-1","issuer":%q}`, tt.issuer)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Logins(t.Context(), Config{URL: place, HTTP: client})
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.says)
		}
	}
	elsewhere := &server{metadata: metadata{Issuer: "https://evil.test"}}
	if says := (entry{}).refuses(elsewhere, place); !strings.Contains(says, `"issuer": "https://evil.test"`) {
		t.Errorf("on another host: %q", says)
	}
	if times := w.times("/token"); times != 0 {
		t.Errorf("%d tokens were asked for", times)
	}
}

// A file that cannot be written any more is told of; the run goes on.
func TestFile_cannotKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.current["secret-refresh-0"] = "9"
		path := tokenFile(t, 0o600, `{"token":"secret-old","refresh_token":"secret-refresh-0","client_id":"client-1"}`)
		f := mustRead(t, path)
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		var told string
		all := w.logins(f, func(what string) { told = what })
		w.header(all[0])
		synctest.Wait()
		if got := w.header(all[0]); got != "Bearer secret-access-9-1" || !strings.Contains(told, "used up") || strings.Contains(told, "secret-") {
			t.Errorf("%q, told %q", got, told)
		}
		f.Close()
	})
}

func FuzzParseFile(f *testing.F) {
	f.Add("secret-a\n# x\n{\"token\":\"secret-b\"}\n")
	f.Add("{\"token\":\"secret-a\",\"refresh_token\":\"secret-b\",\"client_id\":\"c\",\"expires\":\"2026-11-22T20:00:00Z\"}")
	f.Fuzz(func(t *testing.T, content string) {
		got, err := parseFile("tokens", strings.NewReader(content), true)
		if err != nil {
			noSecret(t, err)
			return
		}
		for _, s := range got.saved {
			if header := "Bearer " + s.Token; strings.ContainsAny(s.Token, " \r\n\t\x00") || len(header) > maxLine {
				t.Errorf("%q goes into a header", header)
			}
		}
	})
}
