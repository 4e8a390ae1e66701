package peer

import "fmt"

// Op is what a request asks for.
type Op uint8

// The requests that every node answers, whoever asks. Those from OpNode on are
// the nodes' own.
const (
	OpPing     Op = iota + 1 // answers at once: the clock in the reply is what one wants
	OpLayout                 // payload: a layout to adopt; reply: the layout the node has now
	OpStatus                 // reply: Status as JSON
	OpSettings               // payload: Settings as JSON, from the author; no reply but the code
	OpNode     Op = 16
)

// Code is how a request went.
type Code uint8

// The outcomes that the connection and the layouts bring. Those from CodeNode on
// are the nodes' own.
const (
	CodeOK         Code = iota
	CodeBad             // the request is malformed or unknown; the payload says why
	CodeNeedLayout      // not executed: the asking side knows a newer layout; send it and ask again
	CodeStale           // not executed: the asking side's layout is too old; the payload is the newer one
	CodeRefused         // not executed; the payload says why
	CodeNode       Code = 16
)

// String names the code for people.
func (c Code) String() string {
	switch c {
	case CodeOK:
		return "ok"
	case CodeBad:
		return "bad request"
	case CodeNeedLayout:
		return "needs the layout"
	case CodeStale:
		return "layout too old"
	case CodeRefused:
		return "refused"
	}
	return fmt.Sprintf("code %d", uint8(c))
}
