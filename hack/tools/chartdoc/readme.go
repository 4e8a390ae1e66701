package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const (
	tableBegin = "<!-- values: made by hack/generate.sh from the comments in values.yaml -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// editReadme puts the table between its two marks.
func editReadme(data []byte, values []value) ([]byte, error) {
	before, rest, begins := bytes.Cut(data, []byte(tableBegin))
	_, after, ends := bytes.Cut(rest, []byte(tableEnd))
	if !begins || !ends {
		return nil, errors.New("the marks of the values' table are not there")
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(tableBegin)
	b.WriteString("\n| value | default | what |\n| --- | --- | --- |\n")
	for _, v := range values {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v, cell(v.preset), cell(v.doc))
	}
	b.WriteString("\n" + tableEnd)
	b.Write(after)
	return b.Bytes(), nil
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
