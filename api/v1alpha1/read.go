package v1alpha1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// ReadFile reads the one SeppenCluster of a file. See Decode.
func ReadFile(path string) (*SeppenCluster, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, data)
}

// Decode reads the one SeppenCluster in a YAML or JSON file, whose name is used in
// errors only. It is as strict as the API server can be asked to be: an unknown or
// doubled field, another kind, a second document and a value out of bounds are
// refused, each with its line. Defaults are filled in.
func Decode(file string, data []byte) (*SeppenCluster, error) {
	cluster, err := decode(data)
	if err != nil {
		return nil, located(file, data, err)
	}
	return cluster, nil
}

func decode(data []byte) (*SeppenCluster, error) {
	data, err := onlyDocument(data)
	if err != nil {
		return nil, err
	}
	doc, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if err := checkKind(doc); err != nil {
		return nil, err
	}
	if err := checkQuantities(doc); err != nil {
		return nil, err
	}
	cluster := new(SeppenCluster)
	strict, err := kjson.UnmarshalStrict(doc, cluster)
	if err != nil {
		return nil, typeError(err)
	}
	if len(strict) > 0 {
		return nil, errors.Join(fieldErrors(strict)...)
	}
	cluster.Default()
	if list := cluster.Validate(); len(list) > 0 {
		errs := make([]error, len(list))
		for i, e := range list {
			errs[i] = &fieldError{path: e.Field, reason: e.Error()}
		}
		return nil, errors.Join(errs...)
	}
	return cluster, nil
}

// onlyDocument returns the one document that is more than comments, with as many
// lines before it as it has in the file.
func onlyDocument(data []byte) ([]byte, error) {
	var found, doc []byte
	line, start := 0, 1
	for text := range bytes.Lines(append(bytes.Clone(data), "\n---\n"...)) {
		line++
		if string(bytes.TrimRight(text, " \t\r\n")) != "---" {
			doc = append(doc, text...)
			continue
		}
		if !blank(doc) {
			if found != nil {
				return nil, &lineError{line: start, reason: "a second document: write one SeppenCluster to a file"}
			}
			found = doc
		}
		doc, start = bytes.Repeat([]byte("\n"), line), line+1
	}
	if found == nil {
		return nil, errors.New("there is no SeppenCluster in it")
	}
	return found, nil
}

func blank(doc []byte) bool {
	for line := range bytes.Lines(doc) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

func checkKind(doc []byte) error {
	var meta struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(doc, &meta); err != nil {
		return typeError(err)
	}
	if want := GroupVersion.String(); meta.APIVersion != want {
		return &fieldError{path: "apiVersion", reason: fmt.Sprintf("apiVersion is %q, must be %q", meta.APIVersion, want)}
	}
	if meta.Kind != Kind {
		return &fieldError{path: "kind", reason: fmt.Sprintf("kind is %q, must be %q", meta.Kind, Kind)}
	}
	return nil
}

// checkQuantities names the field of a quantity that does not parse; the error that
// comes out of unmarshalling does not.
func checkQuantities(doc []byte) error {
	var c struct {
		Spec map[string]any `json:"spec"`
	}
	if json.Unmarshal(doc, &c) != nil {
		return nil //nolint:nilerr // strict decoding says it better
	}
	for _, name := range []string{"memoryLimit", "valueSizeLimit"} {
		text, ok := c.Spec[name].(string)
		if !ok {
			continue
		}
		if _, err := resource.ParseQuantity(text); err != nil {
			path := "spec." + name
			return &fieldError{path: path, reason: fmt.Sprintf("%s: %q is not a quantity such as 512Mi or 2G", path, text)}
		}
	}
	return nil
}
