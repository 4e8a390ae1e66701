package routing

import (
	"errors"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// Whom a request asks for a value, and what it hears.
func TestFetch(t *testing.T) {
	gone, away, moved := kv.ErrGone, kv.Refuse(kv.Unreachable, "x"), kv.Refuse(kv.Moved, "x")
	var a, b, l, me byte = 'a', 'b', 'l', 'm'
	for name, c := range map[string]struct {
		serving []byte
		leaving []byte
		begin   int
		answers map[byte]error
		asked   string
		want    error
	}{
		"the first has it":               {[]byte{a, b}, nil, 0, nil, "a", nil},
		"begun at the other":             {[]byte{a, b}, nil, 3, nil, "b", nil},
		"the second has it":              {[]byte{a, b}, nil, 0, map[byte]error{a: away}, "ab", nil},
		"all around":                     {[]byte{a, b}, nil, 1, map[byte]error{b: gone}, "ba", nil},
		"gone everywhere":                {[]byte{a, b}, nil, 0, map[byte]error{a: gone, b: gone}, "ab", gone},
		"gone here and there":            {[]byte{me, b}, nil, 0, map[byte]error{b: gone}, "b", gone},
		"gone, or not":                   {[]byte{a, b}, nil, 0, map[byte]error{a: gone, b: away}, "ab", kv.ErrUnavailable},
		"who leaves has it":              {[]byte{a}, []byte{l}, 0, map[byte]error{a: away}, "al", nil},
		"who leaves is not asked first":  {[]byte{a}, []byte{l}, 1, nil, "a", nil},
		"who leaves does not know":       {[]byte{a}, []byte{l}, 0, map[byte]error{a: gone, l: away}, "al", gone},
		"who leaves has it no more":      {[]byte{a}, []byte{l}, 0, map[byte]error{a: away, l: gone}, "al", kv.ErrUnavailable},
		"others are the owners":          {[]byte{a, b}, []byte{l}, 0, map[byte]error{a: moved}, "a", moved},
		"nobody serves":                  {nil, nil, 0, nil, "", gone},
		"nobody but who is not asked":    {[]byte{me}, nil, 0, nil, "", gone},
		"this one leaves, and it's gone": {[]byte{a}, []byte{me}, 0, map[byte]error{a: gone}, "a", gone},
	} {
		o := &layout.Owners{}
		for _, n := range c.serving {
			o.Serving = append(o.Serving, &layout.Member{Incarnation: layout.ID{n}, Phase: layout.Serving})
		}
		o.Ack = append(o.Ack, o.Serving...)
		for _, n := range c.leaving {
			o.Ack = append(o.Ack, &layout.Member{Incarnation: layout.ID{n}, Phase: layout.Leaving})
		}
		o.Ack = append(o.Ack, &layout.Member{Incarnation: layout.ID{'x'}, Phase: layout.Attached}) // it need not have it
		var asked []byte
		err := Fetch(o, layout.ID{me}, c.begin, func(m *layout.Member) error {
			asked = append(asked, m.Incarnation[0])
			return c.answers[m.Incarnation[0]]
		})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || string(asked) != c.asked {
			t.Errorf("%s: asked %s, %v", name, asked, err)
		}
	}
}
