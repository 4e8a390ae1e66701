package register

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

func TestModel(t *testing.T) {
	put := func(v int) Input { return Input{Key: "k", Method: "PUT", Value: v} }
	get, remove := Input{Key: "k", Method: "GET"}, Input{Key: "k", Method: "DELETE"}
	lost := Input{Key: "k", Lost: func(v int) bool { return v == 1 }}
	type op struct {
		in         Input
		out        Output
		call, back int64
	}
	for name, test := range map[string]struct {
		ops []op
		ok  bool
	}{
		"what is written is read":     {[]op{{put(1), Output{201, 0}, 1, 2}, {get, Output{200, 1}, 3, 4}}, true},
		"a write is lost":             {[]op{{put(1), Output{201, 0}, 1, 2}, {get, Output{404, 0}, 3, 4}}, false},
		"a stale read":                {[]op{{put(1), Output{201, 0}, 1, 2}, {put(2), Output{204, 0}, 3, 4}, {get, Output{200, 1}, 5, 6}}, false},
		"a read at the same time":     {[]op{{put(1), Output{201, 0}, 1, 2}, {put(2), Output{204, 0}, 3, 6}, {get, Output{200, 1}, 4, 5}}, true},
		"created twice":               {[]op{{put(1), Output{201, 0}, 1, 2}, {put(2), Output{201, 0}, 3, 4}}, false},
		"an unknown write comes late": {[]op{{put(1), Output{0, 0}, 1, math.MaxInt64}, {get, Output{404, 0}, 2, 3}, {get, Output{200, 1}, 4, 5}}, true},
		"an unknown write comes twice": {[]op{
			{put(1), Output{0, 0}, 1, math.MaxInt64}, {put(2), Output{204, 0}, 2, 3}, {get, Output{200, 1}, 4, 5},
			{put(2), Output{204, 0}, 6, 7}, {get, Output{200, 1}, 8, 9},
		}, false},
		"deleted":                   {[]op{{put(1), Output{201, 0}, 1, 2}, {remove, Output{204, 0}, 3, 4}, {remove, Output{404, 0}, 5, 6}}, true},
		"a loss takes its value":    {[]op{{put(1), Output{201, 0}, 1, 2}, {lost, Output{}, 3, 5}, {get, Output{200, 1}, 4, 4}, {get, Output{404, 0}, 6, 7}}, true},
		"a loss takes no other":     {[]op{{put(2), Output{201, 0}, 1, 2}, {lost, Output{}, 3, 5}, {get, Output{404, 0}, 6, 7}}, false},
		"a condition that holds":    {[]op{{put(1), Output{201, 0}, 1, 2}, {Input{Key: "k", Method: "PUT", Value: 2, Match: 1}, Output{204, 0}, 3, 4}}, true},
		"a condition that does not": {[]op{{put(1), Output{201, 0}, 1, 2}, {Input{Key: "k", Method: "PUT", Value: 2, NoMatch: true}, Output{204, 0}, 3, 4}}, false},
		"each key for itself":       {[]op{{put(1), Output{201, 0}, 1, 2}, {Input{Key: "other", Method: "GET"}, Output{404, 0}, 3, 4}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var history []porcupine.Operation
			for i, o := range test.ops {
				history = append(history, porcupine.Operation{ClientId: i, Input: o.in, Output: o.out, Call: o.call, Return: o.back})
			}
			if ok := porcupine.CheckOperations(Model, history); ok != test.ok {
				t.Errorf("linearizable: %v", ok)
			}
		})
	}
}
