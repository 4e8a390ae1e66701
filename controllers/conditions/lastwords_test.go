package conditions

import "testing"

func TestLastWords(t *testing.T) {
	const (
		cut   = `ode":"snow-0-169","available":100663296}` + "\n"
		info  = `{"time":"2026-11-23T03:05:27Z","level":"INFO","msg":"memory","node":"snow-0-169"}` + "\n"
		fails = `{"time":"2026-11-23T03:05:28Z","level":"ERROR","msg":"listen","error":"address in use"}` + "\n"
		bad   = `{"time":"2026-11-23T03:05:28Z","level":"ERROR","msg":"two layouts of one epoch"}` + "\n"
	)
	for name, tt := range map[string]struct{ log, want string }{
		"nothing":               {"", ""},
		"killed":                {info + info, ""},
		"killed, after a while": {cut + info, ""},
		"an error":              {info + fails + info, "listen: address in use"},
		"errors":                {bad + fails, "two layouts of one epoch\nlisten: address in use"},
		"its own words":         {info + "seppen: the secret is empty\n", "seppen: the secret is empty"},
		"a panic":               {cut + info + "panic: no room\n\ngoroutine 1 [running]:\n", "panic: no room\n\ngoroutine 1 [running]:"},
		"no records":            {"panic: no {room}", "panic: no {room}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lastWords(tt.log); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}
