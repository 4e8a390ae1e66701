package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func logged(t *testing.T) *world {
	w := (&world{}).put(newCluster(t, "default", "snow", 2, 1))
	w.logs = map[string]string{
		"snow-0-127": `2026-11-23T05:00:01.100000001Z {"time":"x","level":"INFO","msg":"ready","node":"snow-0-127","slots":128}
2026-11-23T05:00:03Z {"time":"x","level":"WARN","msg":"slow","took":"1.5s","err":"no \"room\" left"}
`,
		"snow-128-255": `2026-11-23T05:00:02Z {"time":"x","level":"INFO","msg":"ready"}
panic: in the midst
2026-11-23T05:00:04Z end`,
	}
	return w
}

func TestLogs(t *testing.T) {
	w := logged(t)
	r := w.run(t, "logs")
	r.is(t, 0)
	want := `snow-0-127    2026-11-23T05:00:01.100Z INFO  ready slots=128
snow-128-255  2026-11-23T05:00:02.000Z INFO  ready
snow-128-255  2026-11-23T05:00:02.000Z  panic: in the midst
snow-0-127    2026-11-23T05:00:03.000Z WARN  slow took=1.5s err="no \"room\" left"
snow-128-255  2026-11-23T05:00:04.000Z  end
`
	if d := cmp.Diff(want, r.out); d != "" {
		t.Error(d)
	}
	raw := w.run(t, "logs", "--raw")
	if first, _, _ := strings.Cut(raw.out, "\n"); first != `{"time":"x","level":"INFO","msg":"ready","node":"snow-0-127","slots":128}` {
		t.Error(raw.out)
	}
}

func TestLogsOfSome(t *testing.T) {
	w := logged(t)
	for _, c := range []struct {
		args  []string
		code  int
		has   string
		hasNo string
	}{
		{[]string{"snow", "snow-0-127"}, 0, "snow-0-127", "snow-128-255"},
		{[]string{"128-255"}, 0, "snow-128-255", "snow-0-127"},
		{[]string{"snow", "0-127", "128-255"}, 0, "panic", "\x00"},
		{[]string{"snow", "7-9"}, 1, "cluster snow has no node 7-9", "ready"},
		{[]string{"nosuch"}, 1, "no node nosuch", "ready"},
		{[]string{"--since=-1s"}, 2, "negative", "ready"},
		{[]string{"--tail=x"}, 2, "tail", "ready"},
	} {
		r := w.run(t, append([]string{"logs"}, c.args...)...)
		r.is(t, c.code, c.has)
		if strings.Contains(r.out, c.hasNo) {
			t.Errorf("%q: %s", c.args, r.out)
		}
	}
	two := (&world{}).put(newCluster(t, "default", "snow", 2, 1), newCluster(t, "default", "ice", 2, 1))
	two.run(t, "logs", "0-127").is(t, 2, "0-127 is no SeppenCluster", "name one: ice, snow")
	two.run(t, "logs").is(t, 2)
}

func TestLogsAskFor(t *testing.T) {
	w := logged(t)
	w.run(t, "logs", "--since=10m", "--tail=5", "0-127").is(t, 0)
	o := w.asked[0]
	if o.Container != container || !o.Timestamps || o.Follow || *o.SinceSeconds != 600 || *o.TailLines != 5 {
		t.Errorf("%+v", o)
	}
}

// One log that cannot be read does not keep the others from being printed.
func TestLogsOneFails(t *testing.T) {
	w := logged(t)
	delete(w.logs, "snow-0-127")
	w.run(t, "logs").is(t, 1, "log of snow-0-127: the kubelet does not answer", "panic: in the midst")
}

// A pod whose process has not begun has no log.
func TestLogsOfWhoHasNotBegun(t *testing.T) {
	w := logged(t)
	w.objects[1].(*corev1.Pod).Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	delete(w.logs, "snow-0-127")
	w.run(t, "logs").is(t, 0, "panic")
}

// The operator's log has what it says of this cluster, and of none.
func TestLogsOfTheOperator(t *testing.T) {
	w := logged(t)
	operator := podOf(newCluster(t, "seppen", "x", 1, 1).SeppenCluster, "seppen-operator-75d-x2x", "op", "m0")
	operator.Labels = map[string]string{nameLabel: "seppen", componentLabel: "operator"}
	w.objects = append(w.objects, operator)
	line := `2026-11-23T05:00:0%dZ {"level":"INFO","msg":%q,"controllerKind":"SeppenCluster","namespace":%q,"name":%q}` + "\n"
	w.logs[operator.Name] = fmt.Sprintf(line, 1, "ours", "default", "snow") + fmt.Sprintf(line, 2, "theirs", "prod", "snow") +
		fmt.Sprintf(line, 3, "another", "default", "ice") + "2026-11-23T05:00:04Z {\"level\":\"INFO\",\"msg\":\"nobody's\",\"name\":\"x\"}\n"
	r := w.run(t, "logs", "--operator")
	r.is(t, 0, "ours", "nobody's", "panic")
	if strings.Contains(r.out, "theirs") || strings.Contains(r.out, "another") {
		t.Error(r.out)
	}
	if r := w.run(t, "logs"); strings.Contains(r.out, "ours") {
		t.Error(r.out)
	}
}

// Who follows sees what comes, of nodes that come too, and no line twice.
func TestLogsFollow(t *testing.T) {
	w := logged(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &plugin{connected: w.open()}
	out, done := newSeen(), make(chan result)
	go func() { done <- runInto(ctx, p, out, &bytes.Buffer{}, "logs", "-f", "--raw") }()
	out.has(t, "slow", "panic")
	c := newCluster(t, "default", "snow", 2, 1)
	w.mu.Lock()
	w.logs["snow-r1-0-255"] = "2026-11-23T05:01:00Z came\n"
	w.mu.Unlock()
	if err := w.open().Create(t.Context(), podOf(c.SeppenCluster, "snow-r1-0-255", "new", "m0")); err != nil {
		t.Fatal(err)
	}
	text := out.has(t, "came")
	cancel()
	(<-done).is(t, 130)
	if strings.Count(text, "slow") != 1 || strings.Count(text, "came") != 1 {
		t.Error(text)
	}
}

// Lines wait a little for older ones of other nodes.
func TestHeld(t *testing.T) {
	start := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var h held
	text := func(lines []line) string {
		var out []string
		for _, l := range lines {
			out = append(out, l.text)
		}
		return strings.Join(out, " ")
	}
	h.add(line{at: at(20), text: "b"}, at(100))
	h.add(line{at: at(10), text: "a"}, at(150))
	h.add(line{at: at(30), text: "c"}, at(150))
	for _, c := range []struct {
		now  int
		want string
	}{{399, ""}, {400, "a b"}, {449, ""}, {450, "c"}, {999, ""}} {
		if got := text(h.release(at(c.now))); got != c.want {
			t.Errorf("at %d: %q, not %q", c.now, got, c.want)
		}
	}
}

func TestReadable(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	const stamp = "2026-11-23T05:00:00.000Z "
	for _, c := range []struct{ text, want string }{
		{`{"level":"INFO","msg":"a","n":1,"list":[1, 2],"o":{"b": 1}}`, `INFO  a n=1 list=[1,2] o={"b":1}`},
		{`{"level":"ERROR","msg":"a","text":"","two":"a b"}`, `ERROR a text="" two="a b"`},
		{`{"a":1} and more`, ` {"a":1} and more`},
		{`{"a":`, ` {"a":`},
		{`plain`, ` plain`},
		{`[1]`, ` [1]`},
		{"\x1b[2J", " ?[2J"},
		{`{"msg":"\u001b[2J","x":"\u001b"}`, `      ?[2J x="\x1b"`},
	} {
		if got := readable(at, c.text); got != stamp+c.want {
			t.Errorf("%s: %q, not %q", c.text, got, stamp+c.want)
		}
	}
}

func TestMergeStopsEarly(t *testing.T) {
	w := logged(t)
	j := &journal{access: w.open(), logging: logging{tail: -1}}
	n := 0
	for _, err := range merge(t.Context(), []*source{{pod: "snow-0-127"}, {pod: "snow-128-255"}, {pod: "none"}}, j.opened) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Error(n)
	}
	var last error
	for _, err := range merge(t.Context(), []*source{{pod: "none"}}, j.opened) {
		last = err
	}
	if !errors.As(last, new(unread)) {
		t.Error(last)
	}
}
