package kv

import (
	"errors"
	"fmt"
	"testing"
)

// A refusal keeps its reason on its way through other errors and over the wire.
func TestRefusals(t *testing.T) {
	for _, reason := range reasons {
		err := fmt.Errorf("asking x: %w", Refuse(reason, "slot %d: why", 7))
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) || ReasonOf(err) != reason {
			t.Errorf("%v: %s", err, ReasonOf(err))
		}
		r := ParseRefusal(Refuse(reason, "slot %d: why", 7).Error())
		if r.Reason != reason || r.Text != "slot 7: why" {
			t.Errorf("%s was read as %+v", reason, r)
		}
	}
}

func TestReasonOfOtherErrors(t *testing.T) {
	for _, err := range []error{nil, ErrNotFound, ErrUnavailable, ErrUnknown, errors.New("no primary: x")} {
		if r := ReasonOf(err); r != "" {
			t.Errorf("%v: %s", err, r)
		}
	}
}

// Text of no known reason, from another version perhaps, is kept whole.
func TestParseOtherText(t *testing.T) {
	for _, text := range []string{"", "no primary", "tired: of it", ": x", "No Primary: x"} {
		if r := ParseRefusal(text); r.Reason != Unreachable || r.Text != text {
			t.Errorf("%q: %+v", text, r)
		}
	}
}
