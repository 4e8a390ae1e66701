package rest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestValueBreaksOff: the same for a value, whose length was said.
func TestValueBreaksOff(t *testing.T) {
	m := newModel()
	m.put("k", "", strings.Repeat("x", 10*piece))
	m.chunk, m.failChunk = piece, 3*piece
	s := httptest.NewServer(New(m, quiet()))
	defer s.Close()
	resp, err := http.Get(s.URL + "/k")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes, and no error", len(b))
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}
