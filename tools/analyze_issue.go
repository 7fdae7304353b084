package tools

import (
	"context"
	"errors"
	"strings"
	"time"

	"roundhouse/sentry"
)

type analyzeIssueIn struct {
	inIssue
	Instruction string `json:"instruction,omitempty" max:"2000" doc:"What to look at in particular. An analysis that exists already is not made again for it."`
}

type analyzeIssueOut struct {
	Issue     string     `json:"issue"`
	URL       string     `json:"url"`
	Status    string     `json:"status" enum:"completed|needs_input|running" doc:"needs_input: Seer asks something, at url. running: call again later to go on waiting."`
	RootCause *rootCause `json:"rootCause,omitempty"`
	Plan      *seerPlan  `json:"plan,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
	Elapsed   int        `json:"waitedSeconds"`
}

type rootCause struct {
	Summary      string   `json:"summary"`
	Why          []string `json:"why,omitempty"`
	Reproduction []string `json:"reproduction,omitempty"`
}

type seerPlan struct {
	Summary string         `json:"summary"`
	Steps   []seerPlanStep `json:"steps,omitempty"`
}

type seerPlanStep struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

func analyzeIssue() Tool {
	return Define(Definition{
		Name:        "analyze_issue",
		Title:       "Analyze an issue",
		Description: "Let Sentry's Seer find the root cause of an issue, named by URL or by id, and a plan to fix it. Returns the analysis that exists or is under way, or starts one and waits: minutes, with progress. What it says is a model's opinion of the error: check it against the code.",
		Skills:      []string{Analyze},
		Listed:      true,
		Annotations: hints(false, false, true, true),
		Task:        TaskJoins,
	}, runAnalyzeIssue)
}

// How long and how often Seer is waited for.
const (
	firstLook    = 2 * time.Second
	longestPause = 15 * time.Second
	seerPatience = 15 * time.Minute
	seerFailures = 5 // of Sentry, one after another
)

func runAnalyzeIssue(ctx context.Context, env Env, in analyzeIssueIn) (analyzeIssueOut, error) {
	t, err := in.target(env)
	if err != nil {
		return analyzeIssueOut{}, err
	}
	issue, err := getIssue(ctx, env, t)
	if err != nil {
		return analyzeIssueOut{}, err
	}
	s := seer{env: env, org: t.org, id: string(issue.ID), name: issueName(*issue), began: time.Now()}
	out := analyzeIssueOut{Issue: s.name, URL: env.Sentry.IssueURL(t.org, s.name)}
	found, err := s.join(ctx, in.Instruction, &out)
	if err == nil {
		found, err = s.wait(ctx, found)
	}
	if err != nil {
		return analyzeIssueOut{}, err
	}
	out.Elapsed = int(time.Since(s.began).Seconds())
	out.describe(found)
	return out, nil
}

// seer waits for one analysis. What it does is the same whether it is done once
// or again after a restart: the analysis itself is Sentry's.
type seer struct {
	env     Env
	org, id string
	name    string
	began   time.Time
}

// join returns the analysis that is there, and starts one where there is none or
// the last one came to nothing.
func (s *seer) join(ctx context.Context, instruction string, out *analyzeIssueOut) (*sentry.Analysis, error) {
	found, err := s.env.Sentry.Analysis(ctx, s.org, s.id)
	if err != nil {
		return nil, s.explain(err)
	}
	if found != nil && stateOf(found) != seerFailed {
		if instruction != "" {
			out.Notes = append(out.Notes, "This analysis existed already; it was not made with your instruction.")
		}
		return found, nil
	}
	progress(ctx, 0, 0, "Seer begins to look at "+word(s.name))
	if err := s.env.Sentry.StartAnalysis(ctx, s.org, s.id, instruction); err != nil {
		return nil, s.explain(err)
	}
	return nil, nil
}

// wait asks again and again, less and less often, until the analysis has ended
// or patience has. It returns nil for one that cannot be seen yet.
func (s *seer) wait(ctx context.Context, found *sentry.Analysis) (*sentry.Analysis, error) {
	pause, failures := firstLook, 0
	for {
		switch state := stateOf(found); {
		case state == seerFailed:
			return nil, &inputError{problem: "Seer could not analyze " + word(s.name), fix: "Its page in Sentry may say why: " + address(s.env.Sentry.IssueURL(s.org, s.name))}
		case state != seerRunning, time.Since(s.began) > seerPatience:
			return found, nil
		}
		waited := time.Since(s.began).Round(time.Second)
		progress(ctx, waited.Seconds()+1, 0, textf("Seer is looking at %s: %s, %s so far", word(s.name), counted(stepsOf(found), "step"), word(waited.String())))
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		next, err := s.env.Sentry.Analysis(ctx, s.org, s.id)
		pause = min(pause*3/2, longestPause)
		var upstream *sentry.Error
		switch {
		case err == nil:
			failures, found = 0, next
		case !errors.Is(err, sentry.ErrUnavailable) && !errors.Is(err, sentry.ErrRateLimited), failures == seerFailures:
			return nil, s.explain(err)
		case errors.As(err, &upstream):
			failures, pause = failures+1, max(pause, min(upstream.RetryAfter, time.Minute))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain says what a refusal means here: the issue itself was found.
func (s *seer) explain(err error) error {
	const other = "get_issue_details shows the stack trace, to find the cause from."
	var upstream *sentry.Error
	errors.As(err, &upstream)
	switch {
	case errors.Is(err, sentry.ErrNotFound):
		return &inputError{problem: "this Sentry has no Seer", fix: "Self-hosted Sentrys do not come with it. " + other}
	case errors.Is(err, sentry.ErrForbidden):
		return &inputError{problem: "Sentry does not let Seer analyze " + word(s.name), fix: sentence(detail(upstream)) + " " + other}
	case upstream != nil && upstream.StatusCode == 402:
		return &inputError{problem: "the organization has no budget for Seer left", fix: other}
	}
	return err
}

type seerState int

const (
	seerRunning seerState = iota
	seerDone
	seerAsks
	seerFailed
)

// stateOf takes a state that it does not know for one that will change.
func stateOf(a *sentry.Analysis) seerState {
	if a == nil {
		return seerRunning
	}
	switch strings.ToLower(string(a.Status)) {
	case "completed":
		return seerDone
	case "awaiting_user_input", "waiting_for_user_response", "need_more_information":
		return seerAsks
	case "error", "failed", "cancelled", "canceled":
		return seerFailed
	}
	return seerRunning
}

func stepsOf(a *sentry.Analysis) int {
	if a == nil {
		return 0
	}
	return max(len(a.Blocks), len(a.Steps))
}

// describe writes down what an analysis has found, in either of its forms.
func (out *analyzeIssueOut) describe(a *sentry.Analysis) {
	switch stateOf(a) {
	case seerDone:
		out.Status = "completed"
	case seerAsks:
		out.Status = "needs_input"
		out.Notes = append(out.Notes, "Seer asks something before it goes on. It can be answered at url.")
	default:
		out.Status = "running"
		out.Notes = append(out.Notes, "Seer is still at work. Call again later: the analysis goes on meanwhile.")
	}
	if a == nil {
		return
	}
	for _, block := range a.Blocks {
		for _, artifact := range block.Artifacts {
			out.artifact(artifact)
		}
	}
	for _, step := range a.Steps {
		out.step(step)
	}
	if out.Status == "completed" && out.RootCause == nil && out.Plan == nil {
		out.Notes = append(out.Notes, "Seer has ended without a root cause or a plan. Its page, at url, may tell more.")
	}
}

func (out *analyzeIssueOut) artifact(a sentry.Artifact) {
	switch a.Key {
	case "root_cause":
		out.RootCause = &rootCause{passage(a.Data.Description), passages(a.Data.Whys), passages(a.Data.Reproduction)}
	case "solution":
		out.Plan = &seerPlan{Summary: passage(a.Data.Summary)}
		for _, step := range a.Data.Steps[:min(len(a.Data.Steps), maxPassages)] {
			out.Plan.Steps = append(out.Plan.Steps, seerPlanStep{label(step.Title), passage(step.Description)})
		}
	}
}

func (out *analyzeIssueOut) step(step sentry.SeerStep) {
	switch step.Type {
	case "root_cause_analysis":
		for _, cause := range step.Causes[:min(len(step.Causes), 1)] {
			out.RootCause = &rootCause{Summary: passage(cause.Description)}
			for _, e := range cause.Reproduction[:min(len(cause.Reproduction), maxPassages)] {
				out.RootCause.Reproduction = append(out.RootCause.Reproduction, passage(e.Title+": "+e.Analysis))
			}
		}
	case "solution":
		out.Plan = &seerPlan{Summary: label(step.Title)}
		for _, e := range step.Solution[:min(len(step.Solution), maxPassages)] {
			out.Plan.Steps = append(out.Plan.Steps, seerPlanStep{label(e.Title), passage(e.Analysis)})
		}
	}
}

// Bounds of what is told of an analysis.
const (
	maxPassage  = 4000
	maxPassages = 12
)

// passage is some lines of Seer's, who may quote the error.
func passage(text sentry.Text) string {
	return cut(strings.TrimSpace(printableLines(string(text))), maxPassage)
}

func passages(list sentry.List[sentry.Text]) []string {
	var out []string
	for _, text := range list[:min(len(list), maxPassages)] {
		out = append(out, passage(text))
	}
	return out
}
