// Command crdref writes the reference page of a custom resource. From the definition it
// takes what the API server goes by: defaults, bounds, rules and columns. From the Go
// types it takes what the definition does not say: the order of fields, and where a field
// is a type of Kubernetes itself, which is then named and linked instead of spelled out.
//
//	crdref -types api/v1alpha1 -crd FILE -kubernetes v1.37 >PAGE
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crdref:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("crdref", flag.ContinueOnError)
	dir := flags.String("types", "", "directory of the Go types")
	file := flags.String("crd", "", "the definition")
	kubernetes := flags.String("kubernetes", "", "minor version of Kubernetes that links point to, such as v1.37")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *file == "" || *kubernetes == "" || flags.NArg() > 0 {
		return errors.New("-types, -crd and -kubernetes must be given, and nothing else")
	}
	types, err := readTypes(*dir)
	if err != nil {
		return err
	}
	crd, err := readDefinition(*file)
	if err != nil {
		return err
	}
	p := page{types: types, crd: crd, kubernetes: *kubernetes}
	text, err := p.render()
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
