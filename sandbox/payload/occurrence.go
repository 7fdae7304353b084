package payload

// Occurrence is what the backend itself has noticed, in an event that it made
// of it; nil for an event that was sent.
func Occurrence(ev Object) Object { return AsObject(ev["occurrence"]) }

func occurrenceTitle(ev Object) string {
	return Clip(Text(Occurrence(ev)["issueTitle"]), maxTitleRunes)
}

// occurrenceParts are what the occurrence says makes two of them one issue.
func occurrenceParts(ev Object) []string {
	var parts []string
	given, _ := Occurrence(ev)["fingerprint"].([]any)
	for _, v := range given {
		parts = append(parts, Text(v))
	}
	return parts
}
