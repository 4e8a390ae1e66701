package routing

import (
	"errors"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// Fetch asks the owners of a value for it, except self, until one gives it: those who serve, and
// then those who have handed the slot over, who have everything of it as well, for as long
// as they are owners. begin says at which of them. kv.ErrGone if all who serve say that it is gone,
// as it is when the entry was replaced meanwhile; the entry must then be read again (F31).
func Fetch(o *layout.Owners, self layout.ID, begin int, ask func(*layout.Member) error) error {
	err := fetchFrom(o.Serving, self, begin, ask)
	if err == nil || kv.ReasonOf(err) == kv.Moved {
		return err
	}
	var leaving []*layout.Member
	for _, m := range o.Ack {
		if m.Phase == layout.Leaving {
			leaving = append(leaving, m)
		}
	}
	if len(leaving) > 0 && fetchFrom(leaving, self, begin, ask) == nil {
		return nil
	}
	return err
}

func fetchFrom(owners []*layout.Member, self layout.ID, begin int, ask func(*layout.Member) error) error {
	gone := 0
	var last error
	for i := range owners {
		m := owners[(begin+i)%len(owners)]
		if m.Incarnation == self {
			gone++
			continue
		}
		switch err := ask(m); {
		case err == nil || kv.ReasonOf(err) == kv.Moved:
			return err
		case errors.Is(err, kv.ErrGone):
			gone++
		default:
			last = err
		}
	}
	if gone == len(owners) {
		return kv.ErrGone
	}
	return kv.Refuse(kv.Unreachable, "no owner of the value gave it: %v", last)
}
