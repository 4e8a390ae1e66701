package layouts_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/layouts"
)

// Nodes come and go while the layout stays, and are durable with their serial.
func TestNodesOfOneLayout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.written(1)
	more := record.Content
	come, err := layout.ParseName("snow-r1-0-169")
	b.must(err)
	more.Names = append([]layout.Name{come}, more.Names...)
	more.Serial = 1
	now, err := b.store.Write(t.Context(), b.cluster, record, more)
	b.must(err)
	b.same(now, record.Layout)
	for what, got := range map[string]*layouts.Record{"written": now, "read": b.read()} {
		if diff := cmp.Diff(more.Names, got.Names); diff != "" || got.Serial != 1 {
			t.Errorf("%s: serial %d\n%s", what, got.Serial, diff)
		}
	}
	// Whoever goes by what was before is too late, although the layout is the same.
	if _, err := b.store.Write(t.Context(), b.cluster, record, record.Content); !errors.Is(err, layouts.ErrChanged) {
		t.Errorf("written on top of other nodes: %v", err)
	}
	less := now.Content
	less.Names = less.Names[1:]
	if now, err = b.store.Write(t.Context(), b.cluster, now, less); err != nil || now.Serial != 1 || len(now.Names) != 3 {
		t.Errorf("%v: serial %d, %v", err, now.Serial, now.Names)
	}
	for say, wrong := range map[string]func(c *layouts.Content){
		"serial 0 cannot be written":                 func(c *layouts.Content) { c.Serial = 0 },
		"its member snow-0-169 would be of no node":  func(c *layouts.Content) { c.Names = c.Names[1:] },
		"there is no layout":                         func(c *layouts.Content) { c.Layout = nil },
		"layout 3 cannot be written where layout 2 ": func(c *layouts.Content) { c.Layout = b.layout(3, 0) },
	} {
		content := now.Content
		wrong(&content)
		if _, err := b.store.Write(t.Context(), b.cluster, now, content); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%v, not: %s", err, say)
		}
	}
}

// A record of an operator that gave out no serials.
func TestWithoutSerial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.written(1)
	m := b.configMap()
	delete(m.Data, "serial")
	b.must(b.Update(t.Context(), m))
	if record := b.read(); record.Serial != 0 || len(record.Names) != 3 {
		t.Errorf("serial %d, %v", record.Serial, record.Names)
	}
}

// The shape that was asked for last is durable too, also where nothing else changes.
func TestShape(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.written(1)
	if record.Shape != nil || b.configMap().Data["shape"] != "" {
		t.Errorf("a shape that nobody gave: %v", record.Shape)
	}
	content := record.Content
	content.Shape = []layout.Range{{Lo: 0, Hi: 255}, {Lo: 200, Hi: 9}}
	now, err := b.store.Write(t.Context(), b.cluster, record, content)
	b.must(err)
	b.same(now, record.Layout)
	for what, got := range map[string]*layouts.Record{"written": now, "read": b.read()} {
		if diff := cmp.Diff(content.Shape, got.Shape); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	if text := b.configMap().Data["shape"]; text != "0-255\n200-9" {
		t.Errorf("written as %q", text)
	}
	other := now.Content
	other.Shape = other.Shape[:1]
	if other.Same(&now.Content) {
		t.Error("another shape is the same")
	}
	// Whoever goes by the shape before is too late.
	if _, err := b.store.Write(t.Context(), b.cluster, record, record.Content); !errors.Is(err, layouts.ErrChanged) {
		t.Errorf("written on top of another shape: %v", err)
	}
	for say, shape := range map[string][]layout.Range{
		"the shape would be forgotten":         nil,
		"its shape: no range has slots 10-199": now.Shape[1:],
	} {
		content := now.Content
		content.Shape = shape
		if _, err := b.store.Write(t.Context(), b.cluster, now, content); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%v, not: %s", err, say)
		}
	}
}
