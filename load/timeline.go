package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"roundhouse/load/scenario"
)

// faults are what goes wrong with Sentry now.
type faults struct {
	url  string
	seed uint64
	all  []scenario.Fault

	mu sync.Mutex // held while the sandbox is told
	on map[int]bool
}

const telling = 5 * time.Second

// set turns one on or off: all rules that are on are told together, because
// they replace those before.
func (f *faults) set(ctx context.Context, i int, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[i] = on
	rules := []scenario.Rule{}
	for i, fault := range f.all {
		if f.on[i] {
			rules = append(rules, fault.Rules...)
		}
	}
	return SetFaults(ctx, f.url, f.seed, rules)
}

// SetFaults tells a sandbox what goes wrong from now on, in place of what did.
// at is its fault switch; no rules: nothing does.
func SetFaults(ctx context.Context, at string, seed uint64, rules []scenario.Rule) error {
	body, err := json.Marshal(map[string]any{"seed": seed, "rules": rules})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, telling)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the sandbox answers %d: %s", resp.StatusCode, said)
	}
	return err
}

// fail lets Sentry fail as often as the scenario says. Whatever happens to the
// run, Sentry is well again afterwards.
func (r *run) fail(ctx context.Context, f *faults, i int) {
	fault := f.all[i]
	well := context.WithoutCancel(ctx)
	tell := func(on bool, what string) {
		if err := f.set(well, i, on); err != nil {
			r.cfg.Log("Sentry's faults: " + err.Error())
			what += ", which did not work"
		}
		r.moment("Sentry %s", what)
	}
	for at := r.zero.Add(fault.After.Duration); until(ctx, at); at = at.Add(fault.Every.Duration) {
		tell(true, inWords(fault.Rules))
		end := at.Add(fault.For.Duration)
		if fault.For.Duration == 0 {
			end = at.Add(1000 * time.Hour)
		}
		until(ctx, end)
		tell(false, "is well again")
		if fault.Every.Duration == 0 {
			return
		}
	}
}

// inWords is what the first rule does.
func inWords(rules []scenario.Rule) string {
	var said []string
	rule := rules[0]
	if rule.DelayMS > 0 {
		said = append(said, fmt.Sprintf("is %s late", time.Duration(rule.DelayMS)*time.Millisecond))
	}
	switch {
	case rule.Drop:
		said = append(said, "breaks connections")
	case rule.HTML:
		said = append(said, "answers HTML")
	case rule.Status > 0:
		said = append(said, "answers "+strconv.Itoa(rule.Status))
	case rule.RetryAfter > 0:
		said = append(said, "answers 429")
	}
	switch {
	case rule.Probability > 0 && rule.Probability < 1:
		said = append(said, fmt.Sprintf("at %.0f %%", 100*rule.Probability))
	case rule.Every > 1:
		said = append(said, fmt.Sprintf("each %dth time", rule.Every))
	}
	return strings.Join(said, " ")
}

// command runs a program at its moments. It ends with the run.
func (r *run) command(ctx context.Context, c scenario.Command) {
	for at := r.zero.Add(c.After.Duration); until(ctx, at); at = at.Add(c.Every.Duration) {
		r.handles.disturbed.Add(1)
		r.moment("%s", clipWords(c.Run))
		out, err := r.execute(ctx, c.Run)
		if len(out) > 0 {
			r.cfg.Log(fmt.Sprintf("%s: %s", c.Run[0], out))
		}
		if err != nil && ctx.Err() == nil {
			r.cfg.Log(fmt.Sprintf("%s: %v", clipWords(c.Run), err))
			r.moment("%s: %v", c.Run[0], err)
		}
		r.handles.disturbed.Add(1)
		if c.Every.Duration == 0 {
			return
		}
	}
}

func clipWords(words []string) string {
	const most = 60
	text := strings.Join(words, " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// execute runs a program without a shell.
func (r *run) execute(ctx context.Context, words []string) (string, error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "ROUNDHOUSE_LOAD_URL="+r.cfg.URL)
	if r.cfg.PID > 0 {
		cmd.Env = append(cmd.Env, "ROUNDHOUSE_LOAD_PID="+strconv.Itoa(r.cfg.PID))
	}
	out := &bounded{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// bounded keeps the beginning of what is written.
type bounded struct{ bytes.Buffer }

const maxOutput = 4 << 10

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
