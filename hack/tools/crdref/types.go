package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// goType is a struct type as its source has it.
type goType struct {
	doc    string
	fields []goField
}

// goField is one field that appears in YAML.
type goField struct {
	name string // in YAML
	doc  string
	of   string // the type's name without * and [], such as PodTemplate or corev1.Affinity
}

// readTypes reads the struct types of the package in a directory.
func readTypes(dir string) (map[string]goType, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	types := make(map[string]goType)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				addTypes(types, d)
			}
		}
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("%s has no types", dir)
	}
	return types, nil
}

func addTypes(types map[string]goType, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		doc := t.Doc
		if doc == nil {
			doc = d.Doc
		}
		types[t.Name.Name] = goType{doc: text(doc), fields: fieldsOf(s)}
	}
}

func fieldsOf(s *ast.StructType) []goField {
	var out []goField
	for _, f := range s.Fields.List {
		if name := nameInYAML(f); name != "" {
			out = append(out, goField{name: name, doc: text(f.Doc), of: nameOf(f.Type)})
		}
	}
	return out
}

// nameInYAML is empty for what is not a field of its own there.
func nameInYAML(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.ArrayType:
		return nameOf(e.Elt)
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// text is a comment without its markers.
func text(doc *ast.CommentGroup) string {
	var lines []string
	for line := range strings.Lines(doc.Text()) {
		if !strings.HasPrefix(line, "+") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}
