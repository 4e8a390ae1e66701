package apply

// within tells whether have has all that want has. want is a whole object; what have
// says of its own kind is not looked at, a cache leaves it out.
func within(want, have map[string]any) bool {
	for name, field := range want {
		if name == "apiVersion" || name == "kind" {
			continue
		}
		if !has(have[name], field) {
			return false
		}
	}
	return true
}

// has tells whether one value of an object's JSON has all of another: of a map each
// field, of a list each element in the same order, possibly with others in between. An
// empty list may be missing, as the API server drops it. An empty map may not: an empty
// selector selects everything, none at all nothing.
func has(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for name, field := range want {
			if !has(have[name], field) {
				return false
			}
		}
		return true
	case []any:
		have, _ := have.([]any)
		return hasAll(have, want)
	default:
		return have == want
	}
}

func hasAll(have, want []any) bool {
	for _, h := range have {
		if len(want) > 0 && has(h, want[0]) {
			want = want[1:]
		}
	}
	return len(want) == 0
}
