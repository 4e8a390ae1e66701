package client_test

import (
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/client"
	"github.com/eiri/seppen/api/client/internal/naive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a naive store and returns a client of it.
func serve(t testing.TB, options ...client.Option) (*client.Client, *naive.Store) {
	t.Helper()
	store := naive.New()
	server := httptest.NewServer(store)
	c, err := client.New(server.URL, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); server.Close() })
	return c, store
}
