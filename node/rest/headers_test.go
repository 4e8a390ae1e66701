package rest

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAppendDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// As far as entries can tell time: int64 nanoseconds reach the year 2262.
		at := time.Unix(0, rapid.Int64Min(0).Draw(t, "nanoseconds")).UTC()
		if got, want := string(appendDate(nil, at)), at.Format(http.TimeFormat); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
