package simulation

import (
	"fmt"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// Keys and values are few, so that they meet often. A value's number is in its uid; its
// bytes say it again.

// clusterName is what the first nodes are called after.
const clusterName = "n"

func newValue(slot uint8, number int) (u uid.UID) {
	u[0], u[1] = slot, byte(number)
	return u
}

func valueName(u uid.UID) string {
	if u == (uid.UID{}) {
		return "nothing"
	}
	return fmt.Sprintf("v%d@%d", u[1], u[0])
}

func valueBytes(u uid.UID) []byte { return []byte(valueName(u)) }

func describe(e *kv.Entry) string {
	if e.Deleted {
		return fmt.Sprintf("%s deleted (%d,%d)", e.Key, e.Version.View, e.Version.N)
	}
	return fmt.Sprintf("%s=%s (%d,%d)", e.Key, valueName(e.UID), e.Version.View, e.Version.N)
}

// idOf names an incarnation: the first byte is the host's number, the second counts its
// lives.
func idOf(host, life int) layout.ID { return layout.ID{byte(host + 1), byte(life), 0xaa} }

func idName(id layout.ID) string {
	if id == (layout.ID{}) {
		return "nobody"
	}
	return fmt.Sprintf("n%d.%d", id[0]-1, id[1])
}

// What is shown is spelled only if somebody reads it.
type (
	shownEntry struct{ *kv.Entry }
	shownValue uid.UID
	shownID    layout.ID
)

func (e shownEntry) String() string { return describe(e.Entry) }
func (u shownValue) String() string { return valueName(uid.UID(u)) }
func (id shownID) String() string   { return idName(layout.ID(id)) }
