package report

import (
	"fmt"
	"time"

	"roundhouse/load/measure"
)

// verdict is what a run comes to, in a line.
type verdict struct {
	Grade grade
	Text  string
}

// grade is how bad it is; the page's style knows it by its name.
type grade string

const (
	good  grade = "good"
	doubt grade = "doubt"
	wrong grade = "wrong"
)

func judge(r measure.Report) verdict {
	t := r.Total
	answered, bad := t.Outcomes[measure.OK.String()]+t.Outcomes[measure.Failed.String()], t.Bad()
	switch {
	case r.Canaries.Wrong > 0:
		return verdict{wrong, fmt.Sprintf("WRONG: %s did not belong to whoever asked, of %s checked",
			plural(r.Canaries.Wrong, "answer", "answers"), count(r.Canaries.Checked))}
	case t.Count == 0 && len(r.Comparisons) > 0:
		return compared(r.Comparisons)
	case t.Count == 0:
		return verdict{doubt, "NOTHING was measured"}
	case answered == 0:
		return verdict{wrong, fmt.Sprintf("NO ANSWER: none of %s was answered", plural(t.Count, "call", "calls"))}
	case r.Limit != nil:
		return limited(r)
	case 2*t.Outcomes[measure.Failed.String()] > t.Count:
		return verdict{doubt, fmt.Sprintf("MOSTLY FAILED: in %s of %s the tool said that it failed; %s",
			count(t.Outcomes[measure.Failed.String()]), plural(t.Count, "call", "calls"), canaryWords(r.Canaries))}
	case len(doubts(r)) > 0:
		return verdict{doubt, fmt.Sprintf("NOT TO BE TRUSTED: calls were sent late or not at all; %s, %s lost or turned away; p99"+nbsp+"%s",
			canaryWords(r.Canaries), count(bad), duration(t.Latency.Quantile(0.99)))}
	case bad > 0:
		return verdict{doubt, fmt.Sprintf("NOT ALL GOOD: %s, but %s (%s) lost or turned away; p99"+nbsp+"%s",
			canaryWords(r.Canaries), plural(bad, "call", "calls"), share(float64(bad), float64(t.Count)), duration(t.Latency.Quantile(0.99)))}
	}
	return verdict{good, fmt.Sprintf("GOOD: %s, none lost, %s; p99"+nbsp+"%s",
		plural(t.Count, "call", "calls"), canaryWords(r.Canaries), duration(t.Latency.Quantile(0.99)))}
}

// limited is of a run that drove the server to where it fell behind, and
// sometimes the harness with it.
func limited(r measure.Report) verdict {
	if r.Limit.Rate <= 0 {
		return verdict{doubt, fmt.Sprintf("NO RATE that was tried met the bound; %s", canaryWords(r.Canaries))}
	}
	v := verdict{good, fmt.Sprintf("LIMIT: %s calls a second; %s", number(r.Limit.Rate), canaryWords(r.Canaries))}
	if len(doubts(r)) > 0 {
		v = verdict{doubt, v.Text + "; the harness fell behind, too"}
	}
	return v
}

// compared counts where ours is better: in every round, or in none.
func compared(all []measure.Comparison) verdict {
	var better, worse, even, lost uint64
	for _, c := range all {
		for _, v := range versuses(c) {
			switch v.wins() {
			case 1:
				better++
			case -1:
				worse++
			default:
				even++
			}
		}
		ours, _ := badOf(c)
		lost += ours
	}
	text := fmt.Sprintf("COMPARED in %s: ours is better in %s, worse in %s and neither in %s",
		plural(len(all), "setting", "settings"), plural(better, "figure", "figures"), count(worse), count(even))
	if lost > 0 {
		return verdict{doubt, text + "; ours lost or turned away " + plural(lost, "call", "calls")}
	}
	return verdict{good, text}
}

func canaryWords(c measure.Canaries) string {
	if c.Checked == 0 {
		return "no answer was checked"
	}
	return "no wrong answer"
}

// doubts says in words why the latencies may not be the server's.
func doubts(r measure.Report) []string {
	var all []string
	if n := r.Total.Reasons[measure.NotSent]; n > 0 {
		all = append(all, fmt.Sprintf("%s due and never sent: the rate was more than could be sent or answered",
			plural(n, "call was", "calls were")))
	}
	if late := r.Late.Quantile(0.99); late > time.Millisecond && late > r.Total.Latency.Quantile(0.99)/4 {
		all = append(all, fmt.Sprintf("one call in a hundred was sent %s or more after it was due (the latencies count from then): "+
			"the machine was too busy for the harness, or too many calls waited for answers", duration(late)))
	}
	return all
}

// reached is the rate of answers.
func reached(r measure.Report) float64 {
	if r.Seconds <= 0 {
		return 0
	}
	return float64(r.Total.Latency.Count()) / r.Seconds
}
