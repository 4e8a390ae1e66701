package peer

import (
	"errors"
	"log/slog"
	"net"
	"testing"
)

// Settings arrive as they were sent. Those that a node refuses, for whatever reason, it refuses
// by an error of their own; what is no setting is not taken for one.
func TestSettings(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var got Settings
	var from Hello
	s := &Server{Key: key(t, "s"), Self: func() Hello { return node }, Log: slog.New(slog.DiscardHandler)}
	s.Calls = func(r *Request) {
		var err error
		from = r.From
		if got, err = ParseSettings(r); err != nil {
			r.Reply(CodeRefused, []byte(err.Error()), nil)
			return
		}
		r.Reply(CodeOK, nil, nil)
	}
	t.Cleanup(s.Serving(l))
	c := dial(t, l.Addr().String())
	for _, want := range []Settings{{}, {TransferBytesPerSecond: 1 << 40}, {TransferBytesPerSecond: 3, Dissolve: true}} {
		if err := PushSettings(t.Context(), c, want); err != nil || got != want || from.Name != asker.Name {
			t.Errorf("%+v from %s, not %+v: %v", got, from.Name, want, err)
		}
	}
	if err := PushSettings(t.Context(), c, Settings{TransferBytesPerSecond: -1}); !errors.Is(err, ErrSettings) {
		t.Errorf("fewer bytes than none: %v", err)
	}
	if r, err := c.Call(t.Context(), callTimeout, OpSettings, 0, []byte("[]"), nil); err != nil || r.Code != CodeRefused {
		t.Errorf("no settings: %s %v", r.Code, err)
	}
	c.Close()
	if err := PushSettings(t.Context(), c, Settings{}); !errors.Is(err, ErrNotSent) || errors.Is(err, ErrSettings) {
		t.Errorf("without a connection: %v", err)
	}
}
