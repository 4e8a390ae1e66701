package rest

import (
	"strconv"
	"strings"
)

// offers are the types of a list, the best first where the client does not mind.
var offers = [...]string{defaultType, "application/json", "application/x-ndjson"}

// negotiate returns which of the offers suits the lines of an Accept header best
// (RFC 9110, section 12.5.1): the one of the highest quality; among those the one
// that was asked for most precisely, so that "application/json, */*" means JSON; else
// the first.
func negotiate(lines []string) (offer int, ok bool) {
	accept := strings.Join(lines, ",")
	if strings.Trim(accept, " \t,") == "" {
		return 0, true
	}
	var best weight
	for i, o := range offers {
		if w := weigh(accept, o); w.q > best.q || w.q == best.q && w.precision > best.precision {
			offer, best = i, w
		}
	}
	return offer, best.q > 0
}

// weight is what a client thinks of a type.
type weight struct {
	q         float64
	precision int // 1 for "*/*", 2 for "application/*", 3 for the type itself
}

// weigh looks for the most precise range that has the type.
func weigh(accept, offer string) (best weight) {
	for element := range strings.SplitSeq(accept, ",") {
		mediaRange, params, _ := strings.Cut(element, ";")
		precision := precisionOf(strings.ToLower(strings.Trim(mediaRange, " \t")), offer)
		q := qualityOf(params)
		if precision > best.precision || precision == best.precision && q > best.q {
			best = weight{q, precision}
		}
	}
	if best.precision == 0 {
		return weight{}
	}
	return best
}

func precisionOf(mediaRange, offer string) int {
	switch mediaRange {
	case offer:
		return 3
	case "application/*": // the offers have this in common
		return 2
	case "*/*":
		return 1
	}
	return 0
}

// qualityOf returns the q of a range's parameters: 1 if there is none, 0 if it is
// not one.
func qualityOf(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if strings.EqualFold(strings.TrimRight(name, " \t"), "q") {
			q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
