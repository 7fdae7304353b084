package tools

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// ranking finds tools by words: BM25 over name, title and description, where
// a word of the name counts several times.
type ranking struct {
	tools   []*narrowed
	weights []map[string]float64 // per tool: how often a stem occurs, weighted
	lengths []float64
	mean    float64
	holders map[string]int // in how many tools a stem occurs
}

const (
	nameWeight  = 4
	titleWeight = 2
	saturation  = 1.2
	lengthBias  = 0.6
	exactName   = 100
)

// aliases are words of people for words of ours, by stem.
var aliases = stemmed(map[string][]string{
	"bug":        {"issue"},
	"crash":      {"issue", "error"},
	"exception":  {"error", "issue"},
	"stacktrace": {"issue", "event"},
	"stack":      {"issue", "event"},
	"close":      {"update", "resolve"},
	"fix":        {"update", "resolve"},
	"mute":       {"update", "ignore"},
	"archive":    {"update", "ignore"},
	"snooze":     {"update", "ignore"},
	"owner":      {"assign"},
	"me":         {"whoami"},
	"user":       {"whoami"},
	"account":    {"whoami"},
	"org":        {"organization"},
	"link":       {"url"},
	"slow":       {"span"},
	"latency":    {"span"},
	"list":       {"find", "search"},
	"show":       {"get"},
	"query":      {"search"},
})

func stemmed(words map[string][]string) map[string][]string {
	m := make(map[string][]string, len(words))
	for word, others := range words {
		for _, other := range others {
			m[stem(word)] = append(m[stem(word)], stem(other))
		}
	}
	return m
}

func newRanking(tools []*narrowed) *ranking {
	r := &ranking{tools: tools, holders: map[string]int{}}
	for _, n := range tools {
		weights, length := map[string]float64{}, 0.0
		add := func(text string, weight float64) {
			for _, s := range stems(text) {
				weights[s] += weight
				length += weight
			}
		}
		add(n.Name, nameWeight)
		add(n.Title, titleWeight)
		add(n.Description, 1)
		for s := range weights {
			r.holders[s]++
		}
		r.weights = append(r.weights, weights)
		r.lengths = append(r.lengths, length)
		r.mean += length / float64(len(tools))
	}
	return r
}

// search returns the tools that share a word with the query, best first.
func (r *ranking) search(query string) []*narrowed {
	terms := map[string]float64{}
	for _, word := range stems(query) {
		terms[word] = 1
		for _, alias := range aliases[word] {
			terms[alias] = max(terms[alias], 0.5)
		}
	}
	type hit struct {
		*narrowed
		score float64
	}
	var hits []hit
	for i, n := range r.tools {
		score := r.score(i, terms)
		if strings.EqualFold(strings.TrimSpace(query), n.Name) {
			score += exactName
		}
		if score > 0 {
			hits = append(hits, hit{n, score})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.Name, b.Name))
	})
	ranked := make([]*narrowed, len(hits))
	for i, h := range hits {
		ranked[i] = h.narrowed
	}
	return ranked
}

func (r *ranking) score(i int, terms map[string]float64) float64 {
	total := 0.0
	for term, weight := range terms {
		f := r.weights[i][term]
		if f == 0 {
			continue
		}
		n := float64(r.holders[term])
		rarity := math.Log(1 + (float64(len(r.tools))-n+0.5)/(n+0.5))
		norm := saturation * (1 - lengthBias + lengthBias*r.lengths[i]/r.mean)
		total += weight * rarity * f * (saturation + 1) / (f + norm)
	}
	return math.Round(total*1e6) / 1e6 // the order of a map must not decide between equals
}

// stems splits text into words and takes their endings off.
func stems(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for i, w := range words {
		words[i] = stem(w)
	}
	return words
}

// stem is crude and enough for a hundred tool names.
func stem(word string) string {
	for _, ending := range []string{"ing", "es", "ed", "s", "e"} {
		if base, ok := strings.CutSuffix(word, ending); ok && len(base) >= 3 {
			return base
		}
	}
	return word
}
