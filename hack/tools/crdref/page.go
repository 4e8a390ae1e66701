package main

import (
	"fmt"
	"slices"
	"strings"
)

// page is the reference of one resource.
type page struct {
	types      map[string]goType
	crd        *definition
	kubernetes string

	out strings.Builder
}

// object is a part of the resource that has a section of its own.
type object struct {
	path   string // as in kubectl explain; empty: the resource itself
	typ    string
	schema *schema
}

func (p *page) render() (string, error) {
	names, v := p.crd.Spec.Names, &p.crd.Spec.Versions[0]
	fmt.Fprintf(&p.out, "# %s\n\n<!-- Made by hack/generate.sh. To change it, change the comments and markers of the Go types. -->\n\n", names.Kind)
	root, ok := p.types[names.Kind]
	if !ok {
		return "", fmt.Errorf("there is no Go type %s", names.Kind)
	}
	fmt.Fprintf(&p.out, "%s\n\n", root.doc)
	fmt.Fprintf(&p.out, "| | |\n| --- | --- |\n| apiVersion | `%s/%s` |\n| kind | `%s` |\n", p.crd.Spec.Group, v.Name, names.Kind)
	fmt.Fprintf(&p.out, "| in kubectl | `%s` |\n| scope | %s |\n", strings.Join(append([]string{names.Plural}, names.ShortNames...), "`, `"), p.crd.Spec.Scope)
	p.columns(v.Columns)
	if err := p.object(object{typ: names.Kind, schema: &v.Schema.Root}); err != nil {
		return "", err
	}
	return p.out.String(), nil
}

func (p *page) columns(columns []column) {
	p.out.WriteString("\nWhat `kubectl get` shows:\n\n| column | what | |\n| --- | --- | --- |\n")
	for _, c := range columns {
		what, wide := cell(c.Description), ""
		if what == "" {
			what = "`" + cell(c.Path) + "`"
		}
		if c.Priority > 0 {
			wide = "`-o wide`"
		}
		fmt.Fprintf(&p.out, "| %s | %s | %s |\n", c.Name, what, wide)
	}
}

// object writes a part's section, and then those of the parts in it.
func (p *page) object(o object) error {
	t, ok := p.types[o.typ]
	if !ok {
		return fmt.Errorf("%s: there is no Go type %q", o.path, o.typ)
	}
	if o.path != "" {
		fmt.Fprintf(&p.out, "\n## %s\n\n%s\n", o.path, t.doc)
	}
	if err := complete(o, t); err != nil {
		return err
	}
	if o.path != "" { // what every object of Kubernetes has needs no table
		p.table(o, t)
	}
	p.rules(o.schema.Rules)
	for _, f := range t.fields {
		if _, ours := p.types[f.of]; ours {
			if err := p.object(o.part(f)); err != nil {
				return err
			}
		}
	}
	return nil
}

// part is what a field holds, or, if it is a list, one entry of it.
func (o object) part(f goField) object {
	part := object{path: strings.TrimPrefix(o.path+"."+f.name, "."), typ: f.of, schema: o.schema.Properties[f.name]}
	if part.schema.Items != nil {
		part.path, part.schema = part.path+"[]", part.schema.Items
	}
	return part
}

// complete sees that the types and the definition have the same fields.
func complete(o object, t goType) error {
	for _, f := range t.fields {
		if o.schema.Properties[f.name] == nil {
			return fmt.Errorf("%s.%s is in the Go type and not in the definition", o.path, f.name)
		}
	}
	for name := range o.schema.Properties {
		inherited := o.path == "" && (name == "apiVersion" || name == "kind")
		if !inherited && !slices.ContainsFunc(t.fields, func(f goField) bool { return f.name == name }) {
			return fmt.Errorf("%s.%s is in the definition and not in the Go type", o.path, name)
		}
	}
	return nil
}

// table lists an object's fields. A column that would be empty is left out.
func (p *page) table(o object, t goType) {
	rows := [][]string{{"field", "type", "default", "what", "allowed"}}
	for _, f := range t.fields {
		rows = append(rows, p.row(o, f))
	}
	for column := len(rows[0]) - 1; column >= 0; column-- {
		if !slices.ContainsFunc(rows[1:], func(r []string) bool { return r[column] != "" }) {
			for i := range rows {
				rows[i] = slices.Delete(rows[i], column, column+1)
			}
		}
	}
	rows = slices.Insert(rows, 1, slices.Repeat([]string{"---"}, len(rows[0])))
	p.out.WriteString("\n")
	for _, r := range rows {
		fmt.Fprintf(&p.out, "| %s |\n", strings.Join(r, " | "))
	}
}

func (p *page) row(o object, f goField) []string {
	s := o.schema.Properties[f.name]
	name := "`" + f.name + "`"
	if slices.Contains(o.schema.Required, f.name) {
		name += ", required"
	}
	allowed := oneLine(strings.Join(s.allowed(), "; "))
	if _, ours := p.types[f.of]; ours {
		allowed = "" // its own section has it
	}
	return []string{name, p.typeText(s, f.of, o.part(f).path), s.defaultText(), cell(f.doc), allowed}
}

func (p *page) rules(rules rules) {
	if len(rules) == 0 {
		return
	}
	p.out.WriteString("\nThe API server refuses what breaks these rules:\n\n")
	for _, r := range rules {
		fmt.Fprintf(&p.out, "* %s\n", oneLine(r.Message))
	}
}

// typeText says what a field holds, with a link to where that is described.
func (p *page) typeText(s *schema, of, path string) string {
	_, ours := p.types[of]
	switch {
	case s.Items != nil && s.Items.Type == "string":
		return "list of strings"
	case s.Items != nil:
		return "list of " + p.typeText(s.Items, of, path)
	case ours:
		return fmt.Sprintf("[%s](#%s)", of, anchor(path))
	case s.IntOrString && of == "resource.Quantity":
		return "[quantity](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/)"
	case s.Type == "object" && s.AdditionalProp != nil:
		return "map of " + s.AdditionalProp.Type + "s"
	case s.Type == "object" && strings.Contains(of, "."):
		return p.kubernetesLink(of)
	}
	return s.Type
}

// kubernetesLink names a type of k8s.io/api or k8s.io/apimachinery, imported as corev1,
// metav1 and so on.
func (p *page) kubernetesLink(of string) string {
	alias, name, _ := strings.Cut(of, ".")
	group := strings.TrimSuffix(alias, "v1")
	return fmt.Sprintf("[%s](https://kubernetes.io/docs/reference/generated/kubernetes-api/%s/#%s-v1-%s)", name, p.kubernetes, strings.ToLower(name), group)
}

// anchor is what forges call a heading.
func anchor(heading string) string {
	return strings.NewReplacer(".", "", "[", "", "]", "").Replace(strings.ToLower(heading))
}

// cell is a text that fits into a table.
func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
