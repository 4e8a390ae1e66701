package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// definition is as much of a CustomResourceDefinition as the page tells.
type definition struct {
	Spec struct {
		Group string
		Scope string
		Names struct {
			Kind       string
			Plural     string
			ShortNames []string `yaml:"shortNames"`
		}
		Versions []version
	}
}

type version struct {
	Name    string
	Columns []column `yaml:"additionalPrinterColumns"`
	Schema  struct {
		Root schema `yaml:"openAPIV3Schema"`
	}
}

type column struct {
	Name, Description string
	Path              string `yaml:"jsonPath"`
	Priority          int
}

type schema struct {
	Type, Format   string
	Default        any
	Enum           []string
	Required       []string
	Pattern        string
	Minimum        *float64
	Maximum        *float64
	MinLength      *int  `yaml:"minLength"`
	MaxLength      *int  `yaml:"maxLength"`
	MinItems       *int  `yaml:"minItems"`
	MaxItems       *int  `yaml:"maxItems"`
	IntOrString    bool  `yaml:"x-kubernetes-int-or-string"`
	Rules          rules `yaml:"x-kubernetes-validations"`
	Items          *schema
	Properties     map[string]*schema
	AdditionalProp *schema `yaml:"additionalProperties"`
}

type rules []struct{ Message string }

func readDefinition(file string) (*definition, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := new(definition)
	if err := yaml.Unmarshal(data, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(d.Spec.Versions) != 1 {
		return nil, fmt.Errorf("%s: %d versions; the page is made for one", file, len(d.Spec.Versions))
	}
	return d, nil
}

// defaultText is a field's default as it would be written in YAML, or nothing. That an
// empty object is filled in says nothing that the fields in it do not say.
func (s *schema) defaultText() string {
	if m, ok := s.Default.(map[string]any); s.Default == nil || ok && len(m) == 0 {
		return ""
	}
	data, err := json.Marshal(s.Default)
	if err != nil {
		return ""
	}
	return "`" + strings.Trim(string(data), `"`) + "`"
}

// allowed says what the API server accepts, as phrases.
func (s *schema) allowed() []string {
	var out []string
	if len(s.Enum) > 0 {
		out = append(out, "`"+strings.Join(s.Enum, "`, `")+"`")
	}
	out = append(out, between(s.Minimum, s.Maximum, "")...)
	out = append(out, between(s.MinItems, s.MaxItems, " entries")...)
	out = append(out, between(s.MinLength, s.MaxLength, " characters")...)
	if s.Pattern != "" && !s.IntOrString { // a quantity's pattern helps nobody
		out = append(out, "matches `"+strings.ReplaceAll(s.Pattern, "|", `\|`)+"`")
	}
	for _, r := range s.Rules {
		out = append(out, r.Message)
	}
	if s.Items != nil && len(s.Items.Properties) == 0 {
		for _, of := range s.Items.allowed() {
			out = append(out, "each: "+of)
		}
	}
	return out
}

func between[N int | float64](least, most *N, unit string) []string {
	number := func(n *N) string { return strconv.FormatFloat(float64(*n), 'f', -1, 64) + unit }
	switch {
	case least != nil && most != nil:
		return []string{strings.TrimSuffix(number(least), unit) + " to " + number(most)}
	case least != nil && *least == 1 && unit == " characters":
		return []string{"not empty"}
	case least != nil:
		return []string{"at least " + number(least)}
	case most != nil:
		return []string{"at most " + number(most)}
	}
	return nil
}
