package controllers

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
)

// missLayout freezes a cluster whose layout was lost or set back: what is known of who
// holds what is wrong then, and nothing may be done by it (F15). The status and the nodes
// remember.
func (r *Reconciler) missLayout(ctx context.Context, w *world) error {
	known, who := w.newest()
	place := objects.LayoutName(w.cluster)
	var have uint64
	if w.record.Layout != nil {
		have = w.record.Layout.Epoch
	}
	switch {
	case w.frozen:
	case have < known:
		if err := r.overtaken(ctx, w, known); err != nil {
			return err
		}
		w.frozen = true
		if have == 0 {
			w.halt(conditions.LayoutLost, "%s knows layout %d and the ConfigMap %s is gone: restore it from a backup, or delete this resource and make it anew, empty", who, known, place)
			break
		}
		w.halt(conditions.LayoutConflict, "%s knows layout %d and the ConfigMap %s has layout %d: it was set back; restore the newer one, or delete this resource and make it anew, empty", who, known, place, have)
	case have > 0:
		if who := w.contradicts(); who != "" {
			w.frozen = true
			w.halt(conditions.LayoutConflict, "%s has another layout %d than the ConfigMap %s: it was set back, or edited; restore the one that the nodes have, or delete this resource and make it anew, empty", who, have, place)
		}
	}
	return nil
}

// newest is the newest epoch that anybody knows, and who that is.
func (w *world) newest() (known uint64, who string) {
	known, who = uint64(max(w.cluster.Status.Epoch, 0)), "the status"
	for _, name := range slices.Sorted(maps.Keys(w.sights)) {
		if s := w.sights[name].Status; s != nil && s.Cluster == w.id && s.Epoch > known {
			known, who = s.Epoch, name
		}
	}
	return known, who
}

// overtaken tells whether the layout is newer by now than when it was read: then another
// operator is at work, as when a lease was lost, and nothing is wrong.
func (r *Reconciler) overtaken(ctx context.Context, w *world, known uint64) error {
	now, err := r.layouts().Read(ctx, w.cluster)
	if err != nil {
		return err
	}
	if now.Layout != nil && now.Layout.Epoch >= known {
		return fmt.Errorf("ConfigMap %s %w", objects.LayoutName(w.cluster), layouts.ErrChanged)
	}
	return nil
}

// contradicts names a node that has another layout of the same epoch; empty: none.
func (w *world) contradicts() string {
	hash := w.record.Layout.Hash()
	mine := hex.EncodeToString(hash[:])
	for _, name := range slices.Sorted(maps.Keys(w.sights)) {
		s := w.sights[name].Status
		if s != nil && s.Cluster == w.id && s.Epoch == w.record.Layout.Epoch && s.Layout != "" && s.Layout != mine {
			return name
		}
	}
	return ""
}
