package apply

import (
	"testing"

	"sigs.k8s.io/yaml"
)

func TestWithin(t *testing.T) {
	for name, tt := range map[string]struct {
		want, have string
		ok         bool
	}{
		"same":                         {"spec: {a: 1, b: [x, {c: true}]}", "spec: {a: 1, b: [x, {c: true}]}", true},
		"kind is not looked at":        {"{apiVersion: v1, kind: A, a: 1}", "{a: 1}", true},
		"a field more":                 {"spec: {a: 1}", "spec: {a: 1, b: 2}", true},
		"a field less":                 {"spec: {a: 1, b: 2}", "spec: {a: 1}", false},
		"a field of that name inside":  {"spec: {kind: A}", "spec: {}", false},
		"another number":               {"a: 1", "a: 2", false},
		"another text":                 {"a: x", "a: y", false},
		"a text is no number":          {"a: '1'", "a: 1", false},
		"false is not nothing":         {"a: false", "{}", false},
		"an empty text is not nothing": {"a: ''", "{}", false},
		"a list's end more":            {"a: [1, 2]", "a: [1, 2, 3]", true},
		"a list's begin more":          {"a: [1, 2]", "a: [0, 1, 2]", true},
		"a list's middle more":         {"a: [1, 2]", "a: [1, 9, 2]", true},
		"a list's element less":        {"a: [1, 2]", "a: [1]", false},
		"a list's order":               {"a: [1, 2]", "a: [2, 1]", false},
		"one is not two":               {"a: [1, 1]", "a: [1]", false},
		"elements with more fields":    {"a: [{n: x}, {n: y}]", "a: [{n: x, d: 1}, {n: z}, {n: y, d: 2}]", true},
		"the later element fits":       {"a: [{n: x, v: 2}]", "a: [{n: x, v: 1}, {n: x, v: 2}]", true},
		"no element fits":              {"a: [{n: x, v: 3}]", "a: [{n: x, v: 1}, {n: x, v: 2}]", false},
		"an empty list missing":        {"a: []", "{}", true},
		"an empty list, more":          {"a: []", "a: [1]", true},
		"a list missing":               {"a: [1]", "{}", false},
		"an empty map missing":         {"a: {}", "{}", false},
		"an empty map, more":           {"a: {}", "a: {b: 1}", true},
		"a map for a list":             {"a: [1]", "a: {b: 1}", false},
		"a list for a map":             {"a: {b: 1}", "a: [1]", false},
		"a scalar for a map":           {"a: {b: 1}", "a: 1", false},
		"a map for a scalar":           {"a: 1", "a: {b: 1}", false},
		"nothing wanted":               {"{}", "{a: 1}", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := within(parse(t, tt.want), parse(t, tt.have)); got != tt.ok {
				t.Errorf("%s in %s: %v", tt.want, tt.have, got)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}
