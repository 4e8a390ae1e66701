package e2e

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// call is what a client asks of one key.
type call struct {
	method string // GET, PUT, DELETE; LOSS: all copies may have been lost
	value  string // that is put
	match  string // only if this is the value, if not empty
	create bool   // only if there is none
}

// answer is what it is told. Status 0: nothing that says whether the call was executed.
type answer struct {
	status int
	value  string // that was read
}

const loss = "LOSS"

// register is what each key must be: a register with compare-and-set.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, in, out any) (bool, any) {
		return registerStep(state.(string), in.(call), out.(answer))
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// registerStep tells whether an answer is right where the key has that value (empty:
// none), and what it has then.
func registerStep(state string, in call, out answer) (right bool, next string) {
	want := answer{status: http.StatusNoContent}
	next = state
	switch {
	case in.method == loss:
		return true, ""
	case state == "" && in.method != http.MethodPut:
		want.status = http.StatusNotFound // whatever the conditions
	case in.match != "" && in.match != state, in.create && state != "":
		want.status = http.StatusPreconditionFailed
	case in.method == http.MethodPut:
		if next = in.value; state == "" {
			want.status = http.StatusCreated
		}
	case in.method == http.MethodDelete:
		next = ""
	default:
		want = answer{status: http.StatusOK, value: state}
	}
	return out.status == 0 || out == want, next
}

// history is what clients were told, by key. Its time is that of this machine, which all
// the clients are on.
type history struct {
	began time.Time

	mu     sync.Mutex
	byKey  map[string][]porcupine.Operation
	client int
}

func newHistory() *history {
	return &history{began: time.Now(), byKey: make(map[string][]porcupine.Operation)}
}

// add takes in a call that was made at a time and answered now.
func (h *history) add(key string, in call, out answer, made time.Time) {
	back := time.Since(h.began).Nanoseconds()
	if out.status == 0 {
		if in.method == http.MethodGet {
			return
		}
		back = math.MaxInt64 // it may be executed at any time, or never
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.client++
	h.byKey[key] = append(h.byKey[key], porcupine.Operation{
		ClientId: h.client, Input: in, Output: out, Call: made.Sub(h.began).Nanoseconds(), Return: back,
	})
}

// checkTime is how long one key may take: it has a few hundred operations.
const checkTime = 20 * time.Second

// check fails the test if some key was no register.
func (h *history) check(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	operations := 0
	for key, all := range h.byKey {
		operations += len(all)
		switch porcupine.CheckOperationsTimeout(register, all, checkTime) {
		case porcupine.Illegal:
			t.Errorf("the history of %s is not linearizable:%s", key, tell(all))
		case porcupine.Unknown:
			t.Errorf("the history of %s, %d operations, was not checked in %s", key, len(all), checkTime)
		}
	}
	t.Logf("%d operations on %d keys are linearizable, if nothing else is said", operations, len(h.byKey))
}

// tell is a history for people: the last writes and what was read of them.
func tell(all []porcupine.Operation) string {
	text := ""
	slices.SortFunc(all, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, o := range all[max(0, len(all)-150):] {
		back := "never"
		if o.Return != math.MaxInt64 {
			back = time.Duration(o.Return).Round(time.Microsecond).String()
		}
		text += fmt.Sprintf("\n%v to %s: %s", time.Duration(o.Call).Round(time.Microsecond), back, register.DescribeOperation(o.Input, o.Output))
	}
	return text
}

// The histories that this must tell apart.
func TestRegister(t *testing.T) {
	type op struct {
		in         call
		out        answer
		from, till int64
	}
	get := func(value string, from, till int64) op {
		if value == "" {
			return op{call{method: "GET"}, answer{status: 404}, from, till}
		}
		return op{call{method: "GET"}, answer{status: 200, value: value}, from, till}
	}
	put := func(value string, status int, from, till int64) op {
		return op{call{method: "PUT", value: value}, answer{status: status}, from, till}
	}
	remove := func(status int, from, till int64) op {
		return op{call{method: "DELETE"}, answer{status: status}, from, till}
	}
	swap := func(match, value string, status int, from, till int64) op {
		return op{call{method: "PUT", value: value, match: match}, answer{status: status}, from, till}
	}
	lost := op{call{method: loss}, answer{}, 30, math.MaxInt64}
	for name, tt := range map[string]struct {
		ops  []op
		want bool
	}{
		"what was written is read":         {[]op{put("a", 201, 0, 10), get("a", 20, 30)}, true},
		"an acknowledged write is gone":    {[]op{put("a", 201, 0, 10), get("", 20, 30)}, false},
		"an older value is read":           {[]op{put("a", 201, 0, 10), put("b", 204, 20, 30), get("a", 40, 50)}, false},
		"either while it is written":       {[]op{put("a", 201, 0, 10), put("b", 204, 20, 50), get("a", 30, 40)}, true},
		"new and then old":                 {[]op{put("a", 201, 0, 10), put("b", 204, 20, 90), get("b", 30, 40), get("a", 50, 60)}, false},
		"an unknown write may be":          {[]op{put("a", 0, 0, math.MaxInt64), get("a", 20, 30)}, true},
		"an unknown write may not be":      {[]op{put("a", 0, 0, math.MaxInt64), get("", 20, 30)}, true},
		"once read it is":                  {[]op{put("a", 0, 0, math.MaxInt64), get("a", 20, 30), get("", 40, 50)}, false},
		"what was deleted is back":         {[]op{put("a", 201, 0, 10), remove(204, 20, 30), get("a", 40, 50)}, false},
		"there was nothing to delete":      {[]op{remove(404, 20, 30), put("a", 201, 40, 50)}, true},
		"201, though there was a value":    {[]op{put("a", 201, 0, 10), put("b", 201, 20, 30)}, false},
		"a swap of an old value":           {[]op{put("a", 201, 0, 10), put("b", 204, 20, 30), swap("a", "c", 204, 40, 50)}, false},
		"a swap that is refused":           {[]op{put("a", 201, 0, 10), put("b", 204, 20, 30), swap("a", "c", 412, 40, 50)}, true},
		"refused, though it was the value": {[]op{put("a", 201, 0, 10), swap("a", "c", 412, 40, 50)}, false},
		"all copies were lost":             {[]op{put("a", 201, 0, 10), lost, get("", 40, 50)}, true},
		"not before they were":             {[]op{put("a", 201, 0, 10), lost, get("", 20, 25)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var all []porcupine.Operation
			for i, o := range tt.ops {
				all = append(all, porcupine.Operation{ClientId: i, Input: o.in, Output: o.out, Call: o.from, Return: o.till})
			}
			if got := porcupine.CheckOperations(register, all); got != tt.want {
				t.Errorf("linearizable: %t", got)
			}
		})
	}
}
