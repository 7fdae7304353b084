package scenario

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

//go:embed *.yaml
var shipped embed.FS

// Names are the scenarios that come with the program, sorted.
func Names() (names []string) {
	files, _ := shipped.ReadDir(".") // it is in the binary
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Source is the file of a shipped scenario.
func Source(name string) ([]byte, error) {
	data, err := shipped.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no scenario %q is shipped; there are %s", clip(name), strings.Join(Names(), ", "))
	}
	return data, nil
}

// Shipped returns a scenario that comes with the program.
func Shipped(name string) (Scenario, error) {
	data, err := Source(name)
	if err != nil {
		return Scenario{}, err
	}
	return Parse(name+".yaml", data)
}

// Faster is s at a steady rate.
func (s Scenario) Faster(rate float64) Scenario {
	s.Arrivals = Arrivals{Rate: rate, Random: s.Arrivals.Random}
	if s.Duration.Duration == 0 { // it was a search
		s.Duration.Duration = 10 * time.Second
	}
	return s
}

// Lasting is s over another duration. Steps, faults and commands keep their
// places in it; storms and the trickle come as often as before.
func (s Scenario) Lasting(d time.Duration) Scenario {
	if s.Duration.Duration <= 0 || s.Arrivals.Search != nil {
		return s
	}
	share := float64(d) / float64(s.Duration.Duration)
	part := func(old Duration) Duration { return Duration{time.Duration(float64(old.Duration) * share)} }
	s.Duration.Duration = d
	s.Arrivals.Steps = slices.Clone(s.Arrivals.Steps)
	for i := range s.Arrivals.Steps {
		s.Arrivals.Steps[i].For = part(s.Arrivals.Steps[i].For)
	}
	s.Faults = slices.Clone(s.Faults)
	for i, f := range s.Faults {
		s.Faults[i].After, s.Faults[i].For, s.Faults[i].Every = part(f.After), part(f.For), part(f.Every)
	}
	s.Commands = slices.Clone(s.Commands)
	for i, c := range s.Commands {
		s.Commands[i].After, s.Commands[i].Every = part(c.After), part(c.Every)
	}
	return s
}

// For is s with as many users and contexts, and a sandbox that is enough for
// them. 0 leaves a number as it is, but for contexts that would be too few.
func (s Scenario) For(users, contexts int) Scenario {
	if users > 0 {
		s.Users = users
		if contexts == 0 {
			contexts = max(s.Contexts, users)
			if s.Place == AtUser {
				contexts = users
			}
		}
	}
	if contexts > 0 {
		s.Contexts = contexts
	}
	s.Sandbox = Sandbox{}.enoughFor(s)
	return s
}
