package simulation

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/eiri/seppen/api/uid"
)

const (
	getKind = iota
	putKind
	deleteKind
	lossKind // all copies died: the author gave them up
)

const (
	okKind = iota
	notFoundKind
	preconditionKind
	unknownKind
)

var outputNames = []string{"ok", "not found", "precondition failed", "unknown"}

// input is what a client asks; of its key there is a history of its own.
type input struct {
	kind   int
	uid    uid.UID
	match  uid.UID // If-Match, zero: none
	create bool    // If-None-Match: *
}

func (in input) String() string {
	s := []string{"get", "put " + valueName(in.uid), "delete", "loss"}[in.kind]
	if in.match != (uid.UID{}) {
		s += " if it is " + valueName(in.match)
	}
	if in.create {
		s += " if there is nothing"
	}
	return s
}

type output struct {
	kind    int
	uid     uid.UID
	created bool
}

// history is what clients saw. Its time counts calls and returns.
type history struct {
	now  uint64
	keys map[string][]porcupine.Operation
}

func (h *history) tick() uint64 {
	h.now++
	return h.now
}

func (h *history) add(key string, in input, out output, call uint64) {
	back := int64(h.tick())
	if out.kind == unknownKind {
		back = math.MaxInt64 // it may happen at any time, or never
	}
	if h.keys == nil {
		h.keys = make(map[string][]porcupine.Operation)
	}
	h.keys[key] = append(h.keys[key], porcupine.Operation{
		ClientId: len(h.keys[key]), Input: in, Output: out, Call: int64(call), Return: back,
	})
}

// register is what one key must look like: a register with compare-and-set.
var register = porcupine.Model{
	Init: func() any { return uid.UID{} },
	Step: func(state, in, out any) (bool, any) {
		return step(state.(uid.UID), in.(input), out.(output))
	},
	DescribeOperation: func(in, out any) string {
		o := out.(output)
		return fmt.Sprintf("%v → %s %s", in, outputNames[o.kind], valueName(o.uid))
	},
}

func step(state uid.UID, in input, out output) (bool, any) {
	nothing := uid.UID{}
	var want output
	next := state
	switch {
	case in.kind == lossKind:
		return true, nothing
	case in.kind == getKind && state == nothing, in.kind == deleteKind && state == nothing:
		want.kind = notFoundKind
	case in.kind == getKind:
		want.uid = state
	case in.match != nothing && in.match != state, in.create && state != nothing:
		want.kind = preconditionKind
	case in.kind == deleteKind:
		next = nothing
	default:
		want.created = state == nothing
		next = in.uid
	}
	if out.kind == unknownKind {
		return true, next
	}
	return out == want, next
}

// check tells whether the histories of all keys are linearizable.
func (s *Simulation) checkHistory() {
	for _, n := range slices.Sorted(maps.Keys(s.truth.lost)) {
		s.truth.ended(n, s.truth.lost[n])
	}
	for _, k := range s.keys {
		ops := s.history.keys[k.name]
		switch porcupine.CheckOperationsTimeout(register, ops, 20*time.Second) {
		case porcupine.Illegal:
			for _, o := range ops {
				s.trace(nil, "%s: %d-%d %s", k.name, o.Call, o.Return, register.DescribeOperation(o.Input, o.Output))
			}
			s.violated("the history of %s is not linearizable", k.name)
		case porcupine.Unknown:
			s.count("histories too hard to check")
		}
	}
}
