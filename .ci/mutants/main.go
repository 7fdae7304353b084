// Command mutants removes one guard of the sign-in and of the MCP URLs after the
// other, and runs the test that must then fail. A guard whose lines are not found any more, a
// tree that does not build without it, and a test that stays green are errors.
//
// No file is changed: the go command reads the mutated one by -overlay.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	only := flag.String("only", "", "remove only guards whose attack, file or test contains this")
	parallel := flag.Int("parallel", 2, "remove so many guards at a time")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "Usage: go run ./.ci/mutants [flags]\n\nRemoves each guard of guards.go and guards_mcp.go in turn, and wants its test to fail.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, parallel int) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	chosen := slices.DeleteFunc(slices.Concat(guards, mcpGuards), func(g guard) bool {
		return !strings.Contains(g.attack+" "+g.file+" "+g.test, only)
	})
	if len(chosen) == 0 {
		return fmt.Errorf("no guard matches %q", only)
	}
	begin := time.Now()
	if err := baseline(ctx, dir, chosen); err != nil {
		return err
	}
	var mu sync.Mutex // guards survived and the output
	var survived []error
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, g := range chosen {
		group.Go(func() error {
			err := g.remove(ctx, root, filepath.Join(dir, fmt.Sprint(i)))
			mu.Lock()
			defer mu.Unlock()
			verdict := "red"
			if err != nil {
				survived = append(survived, fmt.Errorf("%s, %s: %w", g.attack, g.file, err))
				verdict = "NOT RED: " + err.Error()
			}
			fmt.Printf("%-34s %-24s %s: %s\n", g.attack, g.file, g.test, verdict)
			return nil
		})
	}
	group.Wait()
	fmt.Printf("%d guards in %v\n", len(chosen), time.Since(begin).Round(time.Second))
	return errors.Join(survived...)
}

// baseline wants the tests to pass while every guard is there: otherwise a red
// one means nothing.
func baseline(ctx context.Context, dir string, chosen []guard) error {
	tests := make(map[string][]string) // by package
	for _, g := range chosen {
		tests[g.pkg()] = append(tests[g.pkg()], g.test)
	}
	for pkg, names := range tests {
		slices.Sort(names)
		names = slices.Compact(names)
		binary := filepath.Join(dir, path.Base(pkg)+".test")
		if out, err := build(ctx, binary, pkg, ""); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		out, err := runTests(ctx, binary, pkg, names...)
		if err != nil {
			return fmt.Errorf("with all guards, %s: %w\n%s", pkg, err, out)
		}
		for _, name := range names {
			if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
				return fmt.Errorf("%s has no test %s", pkg, name)
			}
		}
	}
	return nil
}

// guard is a line of defense.
type guard struct {
	attack  string // that it stops
	file    string
	lines   string // of the file, where they occur once
	without string // what stands there when the guard is removed
	also    []edit // where one place is not enough
	test    string // which must fail then
	in      string // the package of the test; empty: that of the file
}

type edit struct{ lines, without string }

func (g guard) pkg() string {
	if g.in != "" {
		return g.in
	}
	return path.Dir(g.file)
}

// remove returns nil if the test fails without the guard.
func (g guard) remove(ctx context.Context, root, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	overlay, err := g.overlay(root, dir)
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "mutant.test")
	if out, err := build(ctx, binary, g.pkg(), overlay); err != nil {
		return fmt.Errorf("does not build without it: %w\n%s", err, out)
	}
	defer os.Remove(binary)
	out, err := runTests(ctx, binary, g.pkg(), g.test)
	if err == nil {
		return errors.New("the test passes without it")
	}
	if !bytes.Contains(out, []byte("--- FAIL: "+g.test+" ")) {
		return fmt.Errorf("the test does not fail in order: %w\n%s", err, out)
	}
	return nil
}

// overlay writes the mutated file, and the one that tells the go command of it.
func (g guard) overlay(root, dir string) (string, error) {
	text, err := os.ReadFile(g.file)
	if err != nil {
		return "", err
	}
	for _, e := range append([]edit{{g.lines, g.without}}, g.also...) {
		if n := bytes.Count(text, []byte(e.lines)); n != 1 {
			return "", fmt.Errorf("occurs %d times, want once: %s", n, e.lines)
		}
		text = bytes.Replace(text, []byte(e.lines), []byte(e.without), 1)
	}
	mutated := filepath.Join(dir, path.Base(g.file))
	if err := os.WriteFile(mutated, text, 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, g.file): mutated}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

func build(ctx context.Context, binary, pkg, overlay string) ([]byte, error) {
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	return exec.CommandContext(ctx, "go", append(args, "./"+pkg)...).CombinedOutput()
}

func runTests(ctx context.Context, binary, pkg string, names ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.timeout=60s", "-test.run=^("+strings.Join(names, "|")+")$")
	cmd.Dir = pkg
	return cmd.CombinedOutput()
}
