package main

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is one value with a comment: a leaf of values.yaml, or a mapping that is passed
// on as a whole.
type value struct {
	path   []string
	preset string // in JSON
	doc    string
}

func (v value) String() string { return strings.Join(v.path, ".") }

func readValues(file string) ([]value, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: not a mapping", file)
	}
	values, err := valuesOf(doc.Content[0], nil)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	return values, nil
}

func valuesOf(mapping *yaml.Node, path []string) ([]value, error) {
	var out []value
	for i := 0; i < len(mapping.Content); i += 2 {
		key, of := mapping.Content[i], mapping.Content[i+1]
		at := append(path[:len(path):len(path)], key.Value)
		doc := comment(key)
		if doc == "" && of.Kind == yaml.MappingNode && len(of.Content) > 0 {
			inner, err := valuesOf(of, at)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
			continue
		}
		if doc == "" {
			return nil, fmt.Errorf("%d: %s has no comment", key.Line, strings.Join(at, "."))
		}
		preset, err := compactJSON(of)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", key.Line, err)
		}
		out = append(out, value{path: at, preset: preset, doc: doc})
	}
	return out, nil
}

// comment is what stands right above a key. What stands apart is about the file.
func comment(key *yaml.Node) string {
	above := key.HeadComment[strings.LastIndex(key.HeadComment, "\n\n")+1:]
	var words []string
	for line := range strings.Lines(above) {
		words = append(words, strings.Fields(strings.TrimLeft(line, "#"))...)
	}
	return strings.Join(words, " ")
}
