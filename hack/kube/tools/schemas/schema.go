package main

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	null        = "null"
	refPrefix   = "#/definitions/"
	intOrString = "int-or-string"
	quantity    = "io.k8s.apimachinery.pkg.api.resource.Quantity"
)

// schema is the part of an OpenAPI 2.0 schema that API servers publish and that says
// what a manifest may look like. It is read as that and written as JSON schema, draft 7.
type schema struct {
	Schema string   `json:"$schema,omitempty"`
	Ref    string   `json:"$ref,omitempty"`
	Type   types    `json:"type,omitempty"`
	Format string   `json:"format,omitempty"`
	AllOf  []schema `json:"allOf,omitempty"` // written only
	Not    *schema  `json:"not,omitempty"`   // written only

	Properties           map[string]*schema `json:"properties,omitempty"`
	AdditionalProperties *schemaOrBool      `json:"additionalProperties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	MinProperties        *json.Number       `json:"minProperties,omitempty"`
	MaxProperties        *json.Number       `json:"maxProperties,omitempty"`

	Items       *schema      `json:"items,omitempty"`
	MinItems    *json.Number `json:"minItems,omitempty"`
	MaxItems    *json.Number `json:"maxItems,omitempty"`
	UniqueItems bool         `json:"uniqueItems,omitempty"`

	Enum             []any        `json:"enum,omitempty"`
	Pattern          string       `json:"pattern,omitempty"`
	MinLength        *json.Number `json:"minLength,omitempty"`
	MaxLength        *json.Number `json:"maxLength,omitempty"`
	Minimum          *json.Number `json:"minimum,omitempty"`
	Maximum          *json.Number `json:"maximum,omitempty"`
	ExclusiveMinimum any          `json:"exclusiveMinimum,omitempty"` // OpenAPI: a bool; JSON schema: the limit
	ExclusiveMaximum any          `json:"exclusiveMaximum,omitempty"`
	MultipleOf       *json.Number `json:"multipleOf,omitempty"`

	Definitions map[string]*schema `json:"definitions,omitempty"`

	extensions
}

// extensions are Kubernetes' own; they are read only.
type extensions struct {
	IntOrString     bool   `json:"x-kubernetes-int-or-string,omitempty"`
	PreserveUnknown bool   `json:"x-kubernetes-preserve-unknown-fields,omitempty"`
	Embedded        bool   `json:"x-kubernetes-embedded-resource,omitempty"`
	Kinds           []kind `json:"x-kubernetes-group-version-kind,omitempty"`
}

// kind is what a manifest calls itself.
type kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

// file is where kubeconform looks with the location {{.ResourceKind}}{{.KindSuffix}}.json:
// of the group it takes the part before the first dot.
func (k kind) file() string {
	name := k.Kind
	if group, _, _ := strings.Cut(k.Group, "."); group != "" {
		name += "-" + group
	}
	return strings.ToLower(name+"-"+k.Version) + ".json"
}

// types is "type", which is one name in OpenAPI and one or more in JSON schema.
type types []string

func (t *types) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*t = types{one}
	return nil
}

func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// schemaOrBool is "additionalProperties".
type schemaOrBool struct {
	schema *schema
	allow  bool
}

func (s *schemaOrBool) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &s.allow) == nil {
		return nil
	}
	return json.Unmarshal(data, &s.schema)
}

func (s *schemaOrBool) MarshalJSON() ([]byte, error) {
	if s.schema != nil {
		return json.Marshal(s.schema)
	}
	return json.Marshal(s.allow)
}

// tighten makes a JSON schema of s and of all in it: an object with known fields has no
// others; what is written as a number or a string may be either. A field that is not
// required may be null, which the server takes for a field that is not there.
func (s *schema) tighten() {
	open := s.PreserveUnknown || s.Embedded
	if len(s.Properties) > 0 && s.AdditionalProperties == nil && !open {
		s.AdditionalProperties = &schemaOrBool{allow: false}
	}
	s.scalars()
	for name, p := range s.Properties {
		p.tighten()
		if slices.Contains(s.Required, name) {
			p.refuseNull()
		} else {
			p.allowNull()
		}
	}
	if s.Items != nil {
		s.Items.tighten()
		s.Items.refuseNull()
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.schema != nil {
		s.AdditionalProperties.schema.tighten()
		s.AdditionalProperties.schema.allowNull()
	}
	s.extensions = extensions{}
}

func (s *schema) scalars() {
	if s.IntOrString || s.Format == intOrString {
		s.Type = types{"string", "integer"}
	}
	// The names of formats are only kept where JSON schema knows the same ones.
	if s.Format != "date-time" {
		s.Format = ""
	}
	s.ExclusiveMinimum, s.Minimum = limit(s.ExclusiveMinimum, s.Minimum)
	s.ExclusiveMaximum, s.Maximum = limit(s.ExclusiveMaximum, s.Maximum)
}

func limit(exclusive any, value *json.Number) (any, *json.Number) {
	if exclusive == true && value != nil {
		return value, nil
	}
	return nil, value
}

func (s *schema) allowNull() {
	if len(s.Type) > 0 && !slices.Contains(s.Type, null) {
		s.Type = append(slices.Clone(s.Type), null)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, nil) {
		s.Enum = append(s.Enum, nil)
	}
}

// refuseNull undoes what allowNull does to every definition.
func (s *schema) refuseNull() {
	if s.Ref != "" {
		*s = schema{AllOf: []schema{{Ref: s.Ref}}, Not: &schema{Type: types{null}}}
	}
}

// refs returns the names of the definitions that s refers to.
func (s *schema) refs() []string {
	var names []string
	if s.Ref != "" {
		names = append(names, strings.TrimPrefix(s.Ref, refPrefix))
	}
	for i := range s.AllOf {
		names = append(names, s.AllOf[i].refs()...)
	}
	for _, p := range s.Properties {
		names = append(names, p.refs()...)
	}
	if s.Items != nil {
		names = append(names, s.Items.refs()...)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.schema != nil {
		names = append(names, s.AdditionalProperties.schema.refs()...)
	}
	return names
}
