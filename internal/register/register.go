// Package register is what every key must look like to clients: a linearizable register
// with compare-and-set. Tests record what clients asked and heard, and have it judged by
// this model.
package register

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// Input is one request of a client for one key, or a loss.
type Input struct {
	Key, Method string
	Value       int // PUT: the number of the value; there is no value 0
	// A condition: Match demands this value, and NoMatch that there is none.
	Match   int
	NoMatch bool
	// Lost is not nil for a loss, which takes away the values that it names.
	Lost func(value int) bool
}

// What Match may be besides a value's number.
const (
	NoCondition = 0
	MatchAny    = -1
)

// Output is the answer. Status 0 means that the outcome is unknown; such a request
// returns at the end of time.
type Output struct{ Status, Value int }

// Model judges the histories of many keys, each for itself. A register's state is the
// number of its value, 0 for none.
var Model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			k := op.Input.(Input).Key
			by[k] = append(by[k], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range by {
			all = append(all, ops)
		}
		return all
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(Input), output.(Output)
		return in.step(state.(int), out)
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%v → %+v", input.(Input), output.(Output))
	},
}

func (in Input) step(now int, out Output) (bool, int) {
	if in.Lost != nil {
		if in.Lost(now) {
			return true, 0
		}
		return true, now
	}
	status, next := in.Expect(now)
	if in.Method == "GET" {
		return out == Output{status, now}, now
	}
	return out.Status == 0 || out.Status == status, next
}

// Expect is the naive register: what a request is answered and what it leaves behind.
func (in Input) Expect(now int) (status, next int) {
	switch {
	case in.Method == "GET" && now == 0:
		return 404, now
	case in.Method == "GET":
		return 200, now
	case in.Method == "DELETE" && now == 0:
		return 404, now
	case in.Match != NoCondition && (now == 0 || in.Match != MatchAny && in.Match != now), in.NoMatch && now != 0:
		return 412, now
	case in.Method == "DELETE":
		return 204, 0
	case now == 0:
		return 201, in.Value
	default:
		return 204, in.Value
	}
}

// String tells a request as a person would.
func (in Input) String() string {
	s := fmt.Sprintf("%s %s", in.Method, in.Key)
	switch {
	case in.Lost != nil:
		return "loss of " + in.Key
	case in.Method == "PUT":
		s += fmt.Sprintf(" %d", in.Value)
	}
	switch {
	case in.Match == MatchAny:
		s += " if there is a value"
	case in.Match != NoCondition:
		s += fmt.Sprintf(" if it is %d", in.Match)
	case in.NoMatch:
		s += " if there is none"
	}
	return s
}
