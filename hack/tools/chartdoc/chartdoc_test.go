package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	goodValues = `# About the file.

# How many.
replicas: 1

image:
  # Where it lies, or
  # where it | lay.
  repository: example.com/a
  # Its tag.
  tag: ""

# Passed on as it is.
resources:
  limits: {memory: 256Mi, cpu: 2}
`
	goodReadme = `# A chart

<!-- values: made by hack/generate.sh from the comments in values.yaml -->
old
<!-- end of values -->
The end.
`
	goodSchema = `{"type": "object", "properties": {
  "replicas": {"type": "integer", "minimum": 1, "description": "old"},
  "image": {"type": "object", "properties": {"repository": {"type": "string", "pattern": "^<\\d>$"}, "tag": {"$ref": "#/x"}}},
  "resources": {"type": "object", "properties": {"limits": {"type": ["object", "null"]}}},
  "global": {"type": "object"}
}}`
)

// edit runs the command over a chart and returns what it writes.
func edit(t *testing.T, values, readme, schema string) (string, string, error) {
	t.Helper()
	chart, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"values.yaml": values, "README.md": readme, "values.schema.json": schema} {
		if err := os.WriteFile(filepath.Join(chart, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run([]string{chart, out}); err != nil {
		return "", "", err
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return read("README.md"), read("values.schema.json"), nil
}

func TestCommentsGoToBothPlaces(t *testing.T) {
	readme, schema, err := edit(t, goodValues, goodReadme, goodSchema)
	if err != nil {
		t.Fatal(err)
	}
	wantReadme := `# A chart

<!-- values: made by hack/generate.sh from the comments in values.yaml -->

| value | default | what |
| --- | --- | --- |
| ` + "`replicas` | `1`" + ` | How many. |
| ` + "`image.repository` | `\"example.com/a\"`" + ` | Where it lies, or where it \| lay. |
| ` + "`image.tag` | `\"\"`" + ` | Its tag. |
| ` + "`resources` | `{\"limits\":{\"memory\":\"256Mi\",\"cpu\":2}}`" + ` | Passed on as it is. |

<!-- end of values -->
The end.
`
	if diff := cmp.Diff(wantReadme, readme); diff != "" {
		t.Errorf("README.md: -want +got:\n%s", diff)
	}
	wantSchema := `{
  "type": "object",
  "properties": {
    "replicas": {
      "type": "integer",
      "minimum": 1,
      "description": "How many."
    },
    "image": {
      "type": "object",
      "properties": {
        "repository": {
          "description": "Where it lies, or where it | lay.",
          "type": "string",
          "pattern": "^<\\d>$"
        },
        "tag": {
          "description": "Its tag.",
          "$ref": "#/x"
        }
      }
    },
    "resources": {
      "description": "Passed on as it is.",
      "type": "object",
      "properties": {
        "limits": {
          "type": [
            "object",
            "null"
          ]
        }
      }
    },
    "global": {
      "type": "object"
    }
  }
}
`
	if diff := cmp.Diff(wantSchema, schema); diff != "" {
		t.Errorf("values.schema.json: -want +got:\n%s", diff)
	}
	again, schemaAgain, err := edit(t, goodValues, readme, schema)
	if err != nil || again != readme || schemaAgain != schema {
		t.Errorf("a second time gives something else (%v)", err)
	}
}

func TestWhatDoesNotAgreeIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ values, readme, schema, want string }{
		"no comment":                 {strings.Replace(goodValues, "# Its tag.", "", 1), goodReadme, goodSchema, ":11: image.tag has no comment"},
		"comment that stands apart":  {strings.Replace(goodValues, "# How many.\n", "# How many.\n\n", 1), goodReadme, goodSchema, ":5: replicas has no comment"},
		"a value the schema lacks":   {goodValues + "# More.\nmore: 1\n", goodReadme, goodSchema, "more is not in it"},
		"a group the schema lacks":   {goodValues + "more:\n  # More.\n  a: 1\n", goodReadme, goodSchema, "more.a is not in it"},
		"a property without a value": {goodValues, goodReadme, strings.Replace(goodSchema, `"tag"`, `"tags": {}, "tag"`, 1), "image.tags is in it, but is no value"},
		"no marks":                   {goodValues, "# A chart\n", goodSchema, "the marks of the values' table are not there"},
		"no mapping":                 {"- a\n", goodReadme, goodSchema, "not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := edit(t, c.values, c.readme, c.schema); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
