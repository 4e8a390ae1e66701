package kv

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// How a request can fail. Layers wrap these with what they were doing; node/rest
// maps them to status codes in one place.
var (
	// ErrNotFound: the key has no value.
	ErrNotFound = errors.New("no such key")
	// ErrPrecondition: the entry does not meet the request's conditions.
	ErrPrecondition = errors.New("precondition failed")
	// ErrNoMemory: the write would pass a memory limit. Nothing was changed.
	ErrNoMemory = errors.New("memory limit reached")
	// ErrGone: the owner that was asked does not have the value.
	ErrGone = errors.New("no such value at its owner")
	// ErrTooLarge: the value is larger than the limit.
	ErrTooLarge = errors.New("value too large")
	// ErrUnavailable: not executed; it may succeed when tried again.
	ErrUnavailable = errors.New("not available")
	// ErrUnknown: a write whose outcome is unknown; it may or may not have happened.
	ErrUnknown = errors.New("outcome unknown")
)

// Reason is why a request was not executed, in a word or two that never change.
type Reason string

// The reasons. Clients and operators read them; see docs/rest.md.
const (
	NoLayout    Reason = "no layout"    // this node has not heard of one yet
	NotMember   Reason = "not a member" // this node is not in the layout yet, or any more
	NoPrimary   Reason = "no primary"   // no owner of the slot serves, or it can't be reached
	TakingOver  Reason = "taking over"  // the slot's new primary is not ready yet
	CutOff      Reason = "cut off"      // the primary has not heard of all other owners for too long
	OwnerLost   Reason = "owner lost"   // an owner that the write needs can't be reached
	ValueLost   Reason = "value lost"   // all copies of the value died; the key is being removed
	Busy        Reason = "busy"         // other writes of the key, or too much work, are in front
	Moved       Reason = "moved"        // the owners changed while the request was under way
	Stopping    Reason = "stopping"     // the node that was asked is on its way out
	Unreachable Reason = "unreachable"  // no owner of the value answered
)

var reasons = []Reason{NoLayout, NotMember, NoPrimary, TakingOver, CutOff, OwnerLost, ValueLost, Busy, Moved, Stopping, Unreachable}

// Refusal is an error that tells why a request was not executed. It is ErrUnavailable.
type Refusal struct {
	Reason Reason
	Text   string
}

// Refuse returns a Refusal.
func Refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// Error is the reason and the text; ParseRefusal reads it.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Text }

// Is makes every Refusal ErrUnavailable.
func (r *Refusal) Is(target error) bool { return target == ErrUnavailable }

// ParseRefusal reads the text of a Refusal. Of other text there is no reason.
func ParseRefusal(text string) *Refusal {
	head, tail, ok := strings.Cut(text, ": ")
	if ok && slices.Contains(reasons, Reason(head)) {
		return &Refusal{Reason: Reason(head), Text: tail}
	}
	return &Refusal{Reason: Unreachable, Text: text}
}

// ReasonOf returns why a request was not executed; empty for other errors.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}
