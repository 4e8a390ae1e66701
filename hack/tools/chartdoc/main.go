// Command chartdoc puts what the comments of a chart's values.yaml say into the two other
// places where people look for it: the table in its README.md, and the descriptions in
// values.schema.json, which editors show. Both files come from CHART and go to OUT; what
// else is in them stays.
//
//	chartdoc CHART OUT
//
// Every value must have a comment and a place in the schema, and the schema no other.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chartdoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: chartdoc CHART OUT")
	}
	chart, out := args[0], args[1]
	values, err := readValues(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	for name, edit := range map[string]func([]byte, []value) ([]byte, error){
		"README.md":          editReadme,
		"values.schema.json": editSchema,
	} {
		file := filepath.Join(chart, name)
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if data, err = edit(data, values); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
