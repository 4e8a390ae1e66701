// Command schemas turns the OpenAPI document of a Kubernetes API server into JSON
// schemas, one for each kind that the server knows, custom resources included. A
// validator can then check manifests without a network and against exactly that server:
//
//	kubectl get --raw /openapi/v2 | kube-schemas DIR
//	kubeconform -strict -schema-location 'DIR/{{.ResourceKind}}{{.KindSuffix}}.json' FILE...
//
// The schemas are as strict as `kubectl apply --validate=strict`: a field that the server
// would drop is an error.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kube-schemas:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 && len(args) != 2 {
		return errors.New("usage: kube-schemas DIR [FILE]; FILE, or stdin, is what `kubectl get --raw /openapi/v2` says")
	}
	if len(args) == 2 {
		f, err := os.Open(args[1])
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	files, err := convert(in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return err
	}
	for name, file := range files {
		data, err := encode(file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(args[0], name), data, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s: schemas of %d kinds\n", args[0], len(files))
	return nil
}

func encode(s *schema) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(s)
	return b.Bytes(), err
}

// convert reads an OpenAPI document and returns the schema of each kind by its file's name.
func convert(in io.Reader) (map[string]*schema, error) {
	var doc struct {
		Swagger     string             `json:"swagger"`
		Definitions map[string]*schema `json:"definitions"`
	}
	if err := json.NewDecoder(in).Decode(&doc); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	if doc.Swagger != "2.0" || len(doc.Definitions) == 0 {
		return nil, errors.New("this is not an OpenAPI 2.0 document with definitions")
	}
	kinds := make(map[string]kind)
	for name, s := range doc.Definitions {
		// What belongs to many kinds is a parameter of requests (DeleteOptions), no resource.
		if len(s.Kinds) == 1 {
			kinds[name] = s.Kinds[0]
		}
		s.tighten()
		if name == quantity {
			s.Type = types{"string", "number"}
		}
		// Who refers to a definition says so where null is not allowed.
		s.allowNull()
	}
	if len(kinds) == 0 {
		return nil, errors.New("the document defines no kinds")
	}
	files := make(map[string]*schema)
	from := make(map[string]string)
	for name, kind := range kinds {
		file := kind.file()
		if from[file] != "" {
			return nil, fmt.Errorf("%s and %s would both be %s", min(name, from[file]), max(name, from[file]), file)
		}
		from[file] = name
		root, err := standalone(doc.Definitions[name], doc.Definitions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[file] = root
	}
	return files, nil
}

// standalone returns s together with the definitions that it needs.
func standalone(s *schema, all map[string]*schema) (*schema, error) {
	root := *s
	root.Schema = "http://json-schema.org/draft-07/schema#"
	root.Type = slices.DeleteFunc(slices.Clone(s.Type), func(t string) bool { return t == null })
	root.Definitions = make(map[string]*schema)
	todo := root.refs()
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if root.Definitions[name] != nil {
			continue
		}
		if all[name] == nil {
			return nil, fmt.Errorf("%s is referred to and not defined", name)
		}
		root.Definitions[name] = all[name]
		todo = append(todo, all[name].refs()...)
	}
	return &root, nil
}
