package kubectl

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/eiri/seppen/api/client/kubectl/ring"
)

// attribute is one of a JSON object, in the order in which they stand.
type attribute struct {
	name  string
	value json.RawMessage
}

// fieldsOf reads a line that is one JSON object.
func fieldsOf(text string) ([]attribute, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var out []attribute
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		name, _ := t.(string)
		f := attribute{name: name}
		if err := d.Decode(&f.value); err != nil {
			return nil, false
		}
		out = append(out, f)
	}
	if _, err := d.Token(); err != nil || d.More() {
		return nil, false
	}
	return out, true
}

// readable is a line of slog's JSON for people: its time, its level, its message, and the
// rest as name=value. Other lines stay as they are.
func readable(at time.Time, text string) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	fields, ok := fieldsOf(text)
	if !ok {
		return stamp + "  " + ring.Printable(text)
	}
	var level, message string
	var rest []string
	for _, f := range fields {
		switch f.name {
		case "time", "node": // they stand before it
		case "level":
			level = plainText(f.value)
		case "msg":
			message = ring.Printable(plainText(f.value))
		default:
			rest = append(rest, ring.Printable(f.name)+"="+valueText(f.value))
		}
	}
	return strings.TrimRight(strings.Join(append([]string{stamp, padded(ring.Printable(level)), message}, rest...), " "), " ")
}

func padded(level string) string { return level + strings.Repeat(" ", max(5-len(level), 0)) }

// plainText is a JSON text's, or the JSON itself.
func plainText(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// valueText quotes what has spaces or would not print well.
func valueText(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		var b bytes.Buffer
		if json.Compact(&b, v) == nil {
			return ring.Printable(b.String())
		}
		return ring.Printable(string(v))
	}
	if s == "" || strings.ContainsAny(s, " \"=") || ring.Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// isOfAnother tells whether a line of the operator is about another cluster: its controller
// gives each the namespace and the name.
func (j *journal) isOfAnother(l line) bool {
	if !l.from.operator {
		return false
	}
	fields, ok := fieldsOf(l.text)
	if !ok {
		return false
	}
	var namespace, name string
	ours := false
	for _, f := range fields {
		switch f.name {
		case "controllerKind":
			ours = plainText(f.value) == "SeppenCluster"
		case "namespace":
			namespace = plainText(f.value)
		case "name":
			name = plainText(f.value)
		}
	}
	return ours && (namespace != j.cluster.Namespace || name != j.cluster.Name)
}
