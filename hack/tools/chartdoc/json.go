package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// JSON is read as YAML, which it is, because yaml.Node keeps the order of keys.

// compactJSON writes a node in one line.
func compactJSON(n *yaml.Node) (string, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, n); err != nil {
		return "", err
	}
	return b.String(), nil
}

// indentedJSON writes a node as a file.
func indentedJSON(n *yaml.Node) ([]byte, error) {
	compact, err := compactJSON(n)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(compact), "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		return writeAll(b, n.Content, "{", "}", 2)
	case yaml.SequenceNode:
		return writeAll(b, n.Content, "[", "]", 1)
	case yaml.ScalarNode:
		return writeScalar(b, n)
	}
	return fmt.Errorf("line %d: neither mapping, list nor scalar", n.Line)
}

// writeAll writes the nodes between two brackets; with step 2 every other one is a key.
func writeAll(b *bytes.Buffer, nodes []*yaml.Node, begin, end string, step int) error {
	b.WriteString(begin)
	for i, n := range nodes {
		switch {
		case i%step == 1:
			b.WriteByte(':')
		case i > 0:
			b.WriteByte(',')
		}
		if err := writeJSON(b, n); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return nil
}

func writeScalar(b *bytes.Buffer, n *yaml.Node) error {
	var v any
	if err := n.Decode(&v); err != nil {
		return err
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}
