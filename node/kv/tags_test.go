package kv

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/uid"
)

var (
	tagA = uid.UID{0xaa, 1}
	tagB = uid.UID{0xbb, 2}
)

func TestParseTags(t *testing.T) {
	a, b := tagA.ETag(), tagB.ETag()
	tests := []struct {
		name  string
		lines []string
		weak  bool
		want  Tags
		bad   bool
	}{
		{name: "no header"},
		{name: "empty", lines: []string{""}, want: Tags{Given: true}},
		{name: "any", lines: []string{"*"}, want: Tags{Given: true, Any: true}},
		{name: "any, spaced", lines: []string{" *\t"}, want: Tags{Given: true, Any: true}},
		{name: "one", lines: []string{a}, want: Tags{Given: true, UIDs: []uid.UID{tagA}}},
		{name: "two", lines: []string{a + ", " + b}, want: Tags{Given: true, UIDs: []uid.UID{tagA, tagB}}},
		{name: "two, no space", lines: []string{a + "," + b}, want: Tags{Given: true, UIDs: []uid.UID{tagA, tagB}}},
		{name: "two lines", lines: []string{a, b}, want: Tags{Given: true, UIDs: []uid.UID{tagA, tagB}}},
		{name: "empty elements", lines: []string{" ,, " + a + " ,\t, "}, want: Tags{Given: true, UIDs: []uid.UID{tagA}}},
		{name: "weak, strong comparison", lines: []string{"W/" + a}, want: Tags{Given: true}},
		{name: "weak, weak comparison", lines: []string{"W/" + a}, weak: true, want: Tags{Given: true, UIDs: []uid.UID{tagA}}},
		{name: "no uid", lines: []string{`"xyzzy", ` + a}, want: Tags{Given: true, UIDs: []uid.UID{tagA}}},
		{name: "no uid by its case", lines: []string{strings.ToUpper(a)}, want: Tags{Given: true}},
		{name: "comma in a tag", lines: []string{`"a,b"`}, want: Tags{Given: true}},
		{name: "no quotes", lines: []string{tagA.String()}, bad: true},
		{name: "open", lines: []string{`"abc`}, bad: true},
		{name: "no comma", lines: []string{a + " " + b}, bad: true},
		{name: "space in a tag", lines: []string{`"a b"`}, bad: true},
		{name: "any and a tag", lines: []string{"*, " + a}, bad: true},
		{name: "any twice", lines: []string{"*", "*"}, bad: true},
		{name: "lower-case weak", lines: []string{"w/" + a}, bad: true},
		{name: "weak only", lines: []string{"W/"}, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTags(tt.lines, tt.weak)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseTagsDoesNotAllocateWithoutHeader(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := ParseTags(nil, true); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// naiveElement is one element of the list as RFC 9110 writes it down.
var naiveElement = regexp.MustCompile(`^[ \t]*(?:|(\*)|(W/)?"([\x21\x23-\x7e\x80-\xff]*)")[ \t]*$`)

// naiveTags is a second way to read the header: cut at the commas that are not in
// quotes, then match each element.
func naiveTags(line string, weak bool) (Tags, bool) {
	t, quoted, elements := Tags{Given: true}, false, []string{""}
	for i := range len(line) {
		c := line[i]
		quoted = quoted != (c == '"')
		if c == ',' && !quoted {
			elements = append(elements, "")
			continue
		}
		elements[len(elements)-1] += string(rune(c)) // Latin-1: the pattern counts bytes
	}
	n := 0
	for _, e := range elements {
		m := naiveElement.FindStringSubmatch(e)
		if m == nil {
			return Tags{}, false
		}
		if strings.Trim(e, " \t") == "" {
			continue
		}
		n++
		t.Any = t.Any || m[1] != ""
		if u, err := uid.Parse(m[3]); err == nil && m[1] == "" && (weak || m[2] == "") {
			t.UIDs = append(t.UIDs, u)
		}
	}
	return t, !t.Any || n == 1
}

func FuzzParseTags(f *testing.F) {
	a, b := tagA.ETag(), tagB.ETag()
	for _, s := range []string{"", "*", a, "W/" + a, a + ", " + b, `"x",` + a, "*," + a, `"a,b",,W/` + b, `"`, "\"\x80\"", a + a} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, line string, weak bool) {
		got, err := ParseTags([]string{line}, weak)
		want, ok := naiveTags(line, weak)
		if ok != (err == nil) {
			t.Fatalf("%q: error %v, the naive parser says ok=%v", line, err, ok)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", line, diff)
		}
	})
}
