package rest

import (
	"testing"
)

func TestAccept(t *testing.T) {
	const octets, jsonType, ndjson = 0, 1, 2
	for _, tt := range []struct {
		accept string
		want   int // -1: 406
	}{
		{"", octets},
		{"*/*", octets},
		{"application/*", octets},
		{"application/octet-stream", octets},
		{"application/json", jsonType},
		{"Application/JSON; charset=utf-8", jsonType},
		{"application/x-ndjson", ndjson},
		{"application/json, */*", jsonType},
		{"application/json, text/plain, */*", jsonType},
		{"application/json;q=0.5, */*", octets},
		{"application/octet-stream;q=0, */*", jsonType},
		{"application/json;q=0.1, application/x-ndjson;q=0.2", ndjson},
		{"*/*;q=0.1, application/*;q=0", -1},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", octets},
		{"text/html", -1},
		{"application/json;q=0", -1},
		{"application/json;q=x", -1},
		{"application/json;q=NaN", -1},
		{"application/json;q=2", -1},
		{",, application/json ,", jsonType},
		{"application/json;q=0.000", -1},
	} {
		got, ok := negotiate([]string{tt.accept})
		if !ok {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%q: offer %d, want %d", tt.accept, got, tt.want)
		}
	}
	if got, ok := negotiate([]string{"text/html", "application/json"}); !ok || got != jsonType {
		t.Errorf("two lines: offer %d", got)
	}
	r := request(New(newModel(), quiet()), "GET", "/", "", "Accept", "text/html")
	if got := read(t, r); r.StatusCode != 406 || got != "a list comes as application/octet-stream, application/json, application/x-ndjson\n" {
		t.Errorf("%d %q", r.StatusCode, got)
	}
}
