package chaos

import (
	"fmt"
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

// input is one request of a client for one key, or a loss.
type input struct {
	key, method string
	value       int // PUT: the number of the value; there is no value 0
	// A condition: match, if not 0, demands this value, and noMatch that there is none.
	match   int
	noMatch bool
	// lost is not nil for a loss, which takes away the values that it names.
	lost func(value int) bool
}

// output is the answer. Status 0 means that the outcome is unknown; such a request
// returns at the end of time.
type output struct{ status, value int }

// register is what each key must look like to clients: a linearizable register with
// compare-and-set. Its state is the number of its value, 0 for none.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			k := op.Input.(input).key
			by[k] = append(by[k], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range by {
			all = append(all, ops)
		}
		return all
	},
	Init: func() any { return 0 },
	Step: func(state, in, out any) (bool, any) {
		return in.(input).step(state.(int), out.(output))
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v → %+v", in, out) },
}

func (in input) step(now int, out output) (bool, int) {
	if in.lost != nil {
		if in.lost(now) {
			return true, 0
		}
		return true, now
	}
	status, next := in.expect(now)
	if in.method == "GET" {
		return out == output{status, now}, now
	}
	return out.status == 0 || out.status == status, next
}

// expect is the naive register: what a request is answered and what it leaves behind.
func (in input) expect(now int) (status, next int) {
	switch {
	case in.method == "GET" && now == 0:
		return 404, now
	case in.method == "GET":
		return 200, now
	case in.method == "DELETE" && now == 0:
		return 404, now
	case in.match != 0 && in.match != now, in.noMatch && now != 0:
		return 412, now
	case in.method == "DELETE":
		return 204, 0
	case now == 0:
		return 201, in.value
	default:
		return 204, in.value
	}
}

// String tells a request as a person would.
func (in input) String() string {
	s := fmt.Sprintf("%s %s", in.method, in.key)
	switch {
	case in.lost != nil:
		return "loss of " + in.key
	case in.method == "PUT":
		s += fmt.Sprintf(" %d", in.value)
	}
	switch {
	case in.match != 0:
		s += fmt.Sprintf(" if it is %d", in.match)
	case in.noMatch:
		s += " if there is none"
	}
	return s
}

func TestRegister(t *testing.T) {
	put := func(v int) input { return input{key: "k", method: "PUT", value: v} }
	get, remove := input{key: "k", method: "GET"}, input{key: "k", method: "DELETE"}
	lost := input{key: "k", lost: func(v int) bool { return v == 1 }}
	type op struct {
		in         input
		out        output
		call, back int64
	}
	for name, test := range map[string]struct {
		ops []op
		ok  bool
	}{
		"what is written is read":     {[]op{{put(1), output{201, 0}, 1, 2}, {get, output{200, 1}, 3, 4}}, true},
		"a write is lost":             {[]op{{put(1), output{201, 0}, 1, 2}, {get, output{404, 0}, 3, 4}}, false},
		"a stale read":                {[]op{{put(1), output{201, 0}, 1, 2}, {put(2), output{204, 0}, 3, 4}, {get, output{200, 1}, 5, 6}}, false},
		"a read at the same time":     {[]op{{put(1), output{201, 0}, 1, 2}, {put(2), output{204, 0}, 3, 6}, {get, output{200, 1}, 4, 5}}, true},
		"created twice":               {[]op{{put(1), output{201, 0}, 1, 2}, {put(2), output{201, 0}, 3, 4}}, false},
		"an unknown write comes late": {[]op{{put(1), output{0, 0}, 1, math.MaxInt64}, {get, output{404, 0}, 2, 3}, {get, output{200, 1}, 4, 5}}, true},
		"an unknown write comes twice": {[]op{
			{put(1), output{0, 0}, 1, math.MaxInt64}, {put(2), output{204, 0}, 2, 3}, {get, output{200, 1}, 4, 5},
			{put(2), output{204, 0}, 6, 7}, {get, output{200, 1}, 8, 9},
		}, false},
		"deleted":                   {[]op{{put(1), output{201, 0}, 1, 2}, {remove, output{204, 0}, 3, 4}, {remove, output{404, 0}, 5, 6}}, true},
		"a loss takes its value":    {[]op{{put(1), output{201, 0}, 1, 2}, {lost, output{}, 3, 5}, {get, output{200, 1}, 4, 4}, {get, output{404, 0}, 6, 7}}, true},
		"a loss takes no other":     {[]op{{put(2), output{201, 0}, 1, 2}, {lost, output{}, 3, 5}, {get, output{404, 0}, 6, 7}}, false},
		"a condition that holds":    {[]op{{put(1), output{201, 0}, 1, 2}, {input{key: "k", method: "PUT", value: 2, match: 1}, output{204, 0}, 3, 4}}, true},
		"a condition that does not": {[]op{{put(1), output{201, 0}, 1, 2}, {input{key: "k", method: "PUT", value: 2, noMatch: true}, output{204, 0}, 3, 4}}, false},
		"each key for itself":       {[]op{{put(1), output{201, 0}, 1, 2}, {input{key: "other", method: "GET"}, output{404, 0}, 3, 4}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var history []porcupine.Operation
			for i, o := range test.ops {
				history = append(history, porcupine.Operation{ClientId: i, Input: o.in, Output: o.out, Call: o.call, Return: o.back})
			}
			if ok := porcupine.CheckOperations(register, history); ok != test.ok {
				t.Errorf("linearizable: %v", ok)
			}
		})
	}
}
