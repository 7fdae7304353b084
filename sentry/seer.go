package sentry

import (
	"context"
	"net/http"
)

// Analysis is what Seer, Sentry's own model, has found out about an issue. It
// comes in two forms: blocks with artifacts, or, from older versions, steps.
type Analysis struct {
	RunID  ID             `json:"run_id"`
	Status Text           `json:"status"` // such as processing or COMPLETED
	Blocks List[Block]    `json:"blocks"`
	Steps  List[SeerStep] `json:"steps"`
}

// Block is a piece of Seer's work; most have no artifact.
type Block struct {
	Artifacts List[Artifact] `json:"artifacts"`
}

// Artifact is a result of Seer's work.
type Artifact struct {
	Key  Text `json:"key"` // root_cause, solution, or others
	Data struct {
		Description  Text           `json:"one_line_description"`
		Whys         List[Text]     `json:"five_whys"`
		Reproduction List[Text]     `json:"reproduction_steps"`
		Summary      Text           `json:"one_line_summary"`
		Steps        List[PlanStep] `json:"steps"`
	} `json:"data"`
}

// PlanStep is one step of what Seer would do.
type PlanStep struct {
	Title       Text `json:"title"`
	Description Text `json:"description"`
}

// SeerStep is a step of an analysis in the older form.
type SeerStep struct {
	Type     Text              `json:"type"` // root_cause_analysis, solution, or others
	Title    Text              `json:"title"`
	Status   Text              `json:"status"`
	Causes   List[SeerCause]   `json:"causes"`
	Solution List[SeerElement] `json:"solution"`
}

// SeerCause is a cause that Seer suspects.
type SeerCause struct {
	Description  Text              `json:"description"`
	Reproduction List[SeerElement] `json:"root_cause_reproduction"`
}

// SeerElement is a step of a reproduction or a solution.
type SeerElement struct {
	Title    Text `json:"title"`
	Analysis Text `json:"code_snippet_and_analysis"`
}

// Analysis returns the newest analysis of an issue, nil if there is none.
func (c *Client) Analysis(ctx context.Context, org, id string) (*Analysis, error) {
	var answer struct {
		Autofix *Analysis `json:"autofix"`
	}
	_, err := c.call(ctx, request{op: "get analysis", path: append(issuePath(org, id), "autofix")}, &answer)
	return answer.Autofix, err
}

// StartAnalysis lets Seer analyze an issue. Where one is under way already,
// Sentry goes on with that.
func (c *Client) StartAnalysis(ctx context.Context, org, id, instruction string) error {
	body := map[string]string{}
	if instruction != "" {
		body["instruction"] = instruction
	}
	_, err := c.call(ctx, request{
		op:     "start analysis",
		method: http.MethodPost,
		path:   append(issuePath(org, id), "autofix"),
		body:   body,
		accept: http.StatusAccepted,
	}, nil)
	return err
}
