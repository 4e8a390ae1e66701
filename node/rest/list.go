package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/eiri/seppen/node/kv"
)

// list answers with the keys, or with what is known of them, as the backend yields
// them: its memory does not depend on their number.
func (h *handler) list(a *answer, r *http.Request) {
	q, offer, ok := a.listRequest(r)
	if !ok {
		return
	}
	l := newLister(a, offer)
	defer l.close()
	err := h.backend.List(r.Context(), q, l.add)
	if err == nil {
		err = l.finish()
	}
	switch {
	case err == nil:
	case !l.begun:
		a.fail(err)
	default:
		if !errors.Is(err, errClientGone) {
			h.opt.Log.Warn("list broke off", "error", err)
		}
		a.abort()
	}
}

// listHead answers as list would, without a walk over the keys.
func (h *handler) listHead(a *answer, r *http.Request) {
	if _, offer, ok := a.listRequest(r); ok {
		a.listHeader(offer)
		a.WriteHeader(http.StatusOK)
	}
}

func (a *answer) listHeader(offer int) {
	head := a.Header()
	head["Content-Type"] = []string{offers[offer]}
	head["Cache-Control"] = headerNoCache
	head["Vary"] = headerAccept
}

// listRequest reads what is asked for; if not ok, the refusal has been answered.
func (a *answer) listRequest(r *http.Request) (q kv.ListQuery, offer int, ok bool) {
	q, err := listQueryOf(r.URL.RawQuery)
	if err != nil {
		a.refuse(http.StatusBadRequest, err.Error())
		return q, 0, false
	}
	if offer, ok = negotiate(r.Header["Accept"]); !ok {
		a.Header()["Vary"] = headerAccept
		a.refuse(http.StatusNotAcceptable, "a list comes as "+strings.Join(offers[:], ", "))
	}
	return q, offer, ok
}

func listQueryOf(raw string) (q kv.ListQuery, err error) {
	if raw == "" {
		return q, nil
	}
	params, err := url.ParseQuery(raw)
	if err != nil {
		return q, errors.New("the query is malformed")
	}
	for name, values := range params {
		if len(values) > 1 {
			return q, errors.New("a query parameter is given twice")
		}
		switch value := values[0]; name {
		case "prefix":
			q.Prefix = value
		case "after":
			q.After = value
		case "limit":
			if q.Limit, err = limitOf(value); err != nil {
				return q, err
			}
		default:
			return q, errors.New("a query has prefix, after and limit, nothing else")
		}
	}
	if max(len(q.Prefix), len(q.After)) > kv.MaxKey {
		return q, errors.New("prefix or after is longer than any key, 4096 bytes")
	}
	return q, nil
}

func limitOf(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 || s[0] == '+' {
		return 0, errors.New("limit is not a positive integer")
	}
	return n, nil
}
