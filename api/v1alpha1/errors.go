package v1alpha1

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

// fieldError is a fault in one field; where that is in the file comes later.
type fieldError struct{ path, reason string }

func (e *fieldError) Error() string { return e.reason }

// lineError is a fault in one line.
type lineError struct {
	line   int
	reason string
}

func (e *lineError) Error() string { return e.reason }

func typeError(err error) error {
	var te *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &te):
		return err
	case te.Field == "":
		return fmt.Errorf("this is no SeppenCluster: it begins with %s and not with fields such as apiVersion", article(te.Value))
	}
	return &fieldError{path: te.Field, reason: fmt.Sprintf("%s: %s does not fit here%s", te.Field, article(te.Value), wanted(te.Type))}
}

// article puts one before the kind of a value: an array, a string.
func article(kind string) string {
	if kind != "" && strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// wanted says what would fit, where that is short to say.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return ", only true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return ", only a whole number"
	case reflect.String:
		return ", only text"
	case reflect.Slice:
		return ", only a list"
	case reflect.Struct, reflect.Map:
		return ", only fields"
	}
	return ""
}

func fieldErrors(strict []error) []error {
	errs := make([]error, len(strict))
	for i, err := range strict {
		errs[i] = err
		var fe kjson.FieldError
		if errors.As(err, &fe) {
			errs[i] = &fieldError{path: fe.FieldPath(), reason: err.Error()}
		}
	}
	return errs
}

// located puts the file's name and, where it is known, the line before each error,
// in the order of the lines.
func located(file string, data []byte, err error) error {
	var errs []error
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		errs = several.Unwrap()
	} else {
		errs = []error{err}
	}
	slices.SortStableFunc(errs, func(a, b error) int { return cmp.Compare(lineOf(data, a), lineOf(data, b)) })
	for i, err := range errs {
		if line := lineOf(data, err); line > 0 {
			errs[i] = fmt.Errorf("%s:%d: %w", file, line, err)
		} else {
			errs[i] = fmt.Errorf("%s: %w", file, err)
		}
	}
	return errors.Join(errs...)
}

// lineOf is the line of an error, 0 if that is unknown.
func lineOf(data []byte, err error) int {
	var le *lineError
	var fe *fieldError
	switch {
	case errors.As(err, &le):
		return le.line
	case errors.As(err, &fe):
		return lineOfField(data, fe.path)
	}
	return 0
}

// lineOfField is the line of a field such as spec.ranges[2], or of what holds it where
// there is no such field. 0: unknown.
func lineOfField(data []byte, path string) int {
	doc, err := onlyDocument(data)
	if err != nil {
		return 0
	}
	var root yamlnode.Node
	if yamlnode.Unmarshal(doc, &root) != nil || len(root.Content) == 0 {
		return 0
	}
	node, line := root.Content[0], root.Content[0].Line
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if node, line = child(node, step, line); node == nil {
			break
		}
	}
	return line
}

// child is what a step leads to and its line, or nil and the line so far.
func child(node *yamlnode.Node, step string, line int) (*yamlnode.Node, int) {
	switch node.Kind {
	case yamlnode.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	case yamlnode.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line
		}
	}
	return nil, line
}
