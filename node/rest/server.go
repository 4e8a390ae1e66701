package rest

import (
	"log/slog"
	"net/http"
	"time"
)

// Server returns an HTTP server with the timeouts and limits that the handler
// counts on. Its own deadlines cover the header and the first piece each way; the
// handler moves them for what is longer.
func (o Options) Server(h http.Handler) *http.Server {
	o = o.withDefaults()
	return &http.Server{
		Handler:        h,
		ReadTimeout:    o.BodyTimeout,                // of the header as well: a deadline of its own would cost each request
		WriteTimeout:   sendTimeouts * o.BodyTimeout, // counted from the header: the body comes first
		IdleTimeout:    3 * time.Minute,
		MaxHeaderBytes: 32 << 10, // a key of 4096 bytes is 12 KiB when percent-encoded
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
}
