package verbs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/client/internal/naive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a naive store where the verbs look for one.
func serve(t *testing.T) *naive.Store {
	t.Helper()
	store := naive.New()
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	t.Setenv(envURL, server.URL)
	return store
}

type result struct {
	out, errOut string
	err         error
	code        int
}

// run runs a command line, as the program would.
func run(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	return runContext(t.Context(), stdin, args...)
}

func runContext(ctx context.Context, stdin io.Reader, args ...string) result {
	var out, errOut bytes.Buffer
	root := &cobra.Command{Use: "seppen", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(Commands()...)
	root.SetIn(stdin)
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return result{out.String(), errOut.String(), err, ExitCode(err)}
}

func (r result) check(t *testing.T, code int, out string) {
	t.Helper()
	if r.code != code || r.errOut != "" {
		t.Errorf("exit code %d, want %d: %v; stderr %q", r.code, code, r.err, r.errOut)
	}
	if diff := cmp.Diff(out, r.out); diff != "" {
		t.Errorf("stdout (-want +got)\n%s", diff)
	}
}

func text(s string) io.Reader { return strings.NewReader(s) }

// nobody is standard input that must not be read.
var nobody io.Reader

func TestSession(t *testing.T) {
	store := serve(t)
	first := run(t, text("hello"), "put", "greeting", "--type", "text/plain")
	etag := strings.TrimSpace(first.out)
	first.check(t, 0, etag+"\n")
	if len(etag) != 66 {
		t.Fatalf("ETag %s", etag)
	}
	run(t, nobody, "get", "greeting").check(t, 0, "hello")
	run(t, nobody, "head", "greeting").check(t, 0, "etag      "+etag+"\nsize      5\ntype      text/plain\nmodified  Mon, 04 May 2026 03:02:01 GMT\n")
	run(t, nobody, "head", "greeting", "--etag").check(t, 0, etag+"\n")
	run(t, nobody, "cp", "greeting", "copy").check(t, 0, etag+"\n")
	if data, kind, _ := store.Value("copy"); data != "hello" || kind != "text/plain" {
		t.Errorf("copied %q, %q", data, kind)
	}
	run(t, nobody, "cp", "greeting", "copy", "--no-clobber").check(t, ExitPrecondition, "")
	run(t, text("x"), "put", "greeting", "-", "--if-none-match").check(t, ExitPrecondition, "")
	run(t, text("x"), "put", "greeting", "--if-match", `"0"`).check(t, ExitPrecondition, "")
	if r := run(t, text("bye"), "put", "greeting", "--if-match", etag); r.code != 0 {
		t.Errorf("%v", r.err)
	}
	run(t, nobody, "get", "greeting").check(t, 0, "bye")
	run(t, nobody, "rm", "copy", "--if-match", `"0"`).check(t, ExitPrecondition, "")
	run(t, nobody, "rm", "nothing", "copy", "nobody").check(t, ExitNotFound, "")
	if _, _, ok := store.Value("copy"); ok {
		t.Error("a key that was not found kept another from being removed")
	}
	run(t, nobody, "rm", "greeting").check(t, 0, "")
	run(t, nobody, "ls").check(t, 0, "")
}

func TestPutFiles(t *testing.T) {
	store := serve(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "value")
	big := strings.Repeat("snow", 2<<20) // above every bound: read-ahead, Expect, progress bar
	if err := os.WriteFile(file, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]result{
		"file":   run(t, nobody, "put", "file", file),
		"stream": run(t, io.MultiReader(text(big)), "put", "stream", "-"),
		"empty":  run(t, text(""), "put", "empty"),
	} {
		if r.code != 0 || r.errOut != "" {
			t.Errorf("%s: %v, stderr %q", name, r.err, r.errOut)
		}
	}
	for key, want := range map[string]string{"file": big, "stream": big, "empty": ""} {
		if got, _, ok := store.Value(key); !ok || got != want {
			t.Errorf("%s: %d bytes of %d", key, len(got), len(want))
		}
	}
	run(t, nobody, "put", "x", filepath.Join(dir, "missing")).check(t, ExitOther, "")
	run(t, nobody, "put", "x", dir).check(t, ExitOther, "")
	broken := io.MultiReader(text(big), failing{})
	run(t, broken, "put", "x").check(t, ExitOther, "")
	if _, _, ok := store.Value("x"); ok {
		t.Error("a value whose reading failed was stored")
	}
	run(t, nobody, "cp", "stream", "copied")
	if got, _, _ := store.Value("copied"); got != big {
		t.Errorf("copied %d bytes of %d", len(got), len(big))
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the tape tore") }

func TestGetIntoFiles(t *testing.T) {
	store := serve(t)
	store.Set("k", "value", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "out")
	run(t, nobody, "get", "k", "-o", file).check(t, 0, "")
	run(t, nobody, "get", "k", "-o", "-").check(t, 0, "value")
	contents(t, dir, map[string]string{"out": "value"})

	// A cut body leaves what was there and nothing else.
	cut := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "1234")
		return true
	}
	store.Next(cut, cut)
	r := run(t, nobody, "get", "k", "-o", file)
	r.check(t, ExitOther, "")
	if r.err == nil || !strings.Contains(r.err.Error(), "after 4 of 10 bytes") {
		t.Errorf("%v", r.err)
	}
	run(t, nobody, "get", "k", "-o", filepath.Join(dir, "new")).check(t, ExitOther, "")
	contents(t, dir, map[string]string{"out": "value"})
	run(t, nobody, "get", "missing", "-o", file).check(t, ExitNotFound, "")
	contents(t, dir, map[string]string{"out": "value"})

	// A link's target is replaced, not the link; modes stay; what is no file is written to.
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Chmod(file, 0o640), os.Symlink("out", link)); err != nil {
		t.Fatal(err)
	}
	store.Set("k", "other", "")
	run(t, nobody, "get", "k", "-o", link).check(t, 0, "")
	contents(t, dir, map[string]string{"out": "other", "link": "other"})
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	run(t, nobody, "get", "k", "-o", os.DevNull).check(t, 0, "")
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("the null device: %v, %v", info, err)
	}
	run(t, nobody, "get", "k", "-o", dir).check(t, ExitOther, "")
	run(t, nobody, "get", "k", "-o", filepath.Join(dir, "no", "dir")).check(t, ExitOther, "")
}

func contents(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

func TestLs(t *testing.T) {
	store := serve(t)
	etag := strings.Trim(store.Set("a", "hello", "text/plain"), `"`)
	store.Set("b/1", "hello", "text/plain")
	store.Set("b/2\n", "hello", "text/plain")
	run(t, nobody, "ls").check(t, 0, "a\nb/1\nb/2\n\n")
	run(t, nobody, "ls", "-0", "b/").check(t, 0, "b/1\x00b/2\n\x00")
	run(t, nobody, "ls", "--limit", "1", "--after", "a").check(t, 0, "b/1\n")
	run(t, nobody, "ls", "-l", "a").check(t, 0, "           5  2026-05-04T03:02:01Z  "+etag+"  text/plain                a\n")
	run(t, nobody, "ls", "--json", "a").check(t, 0,
		`{"etag":"\"`+etag+`\"","key":"a","modified":"2026-05-04T03:02:01Z","size":5,"type":"text/plain"}`+"\n")
	run(t, nobody, "ls", "--json", "-l").check(t, ExitUsage, "")
	run(t, nobody, "ls", "--limit", "-1").check(t, ExitUsage, "")

	// What came before a fault is printed, and the fault is told.
	store.Next(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"key":"first"}`+"\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	run(t, nobody, "ls").check(t, ExitOther, "first\n")
}

func TestPrintableKey(t *testing.T) {
	for key, want := range map[string]string{
		"plain/key.txt": "plain/key.txt",
		"雪片 1":          "雪片 1",
		"a\nb":          `"a\nb"`,
		"\x1b[2J":       `"\x1b[2J"`,
		"\xff":          `"\xff"`,
		`a"b`:           `"a\"b"`,
		" a":            `" a"`,
	} {
		if got := printableKey(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	status := naive.Status
	all := func(f naive.Fault) []naive.Fault { return []naive.Fault{f, f, f, f} }
	for name, tt := range map[string]struct {
		faults []naive.Fault
		args   []string
		want   int
	}{
		"no key":                   {nil, []string{"get"}, ExitUsage},
		"two keys":                 {nil, []string{"get", "a", "b"}, ExitUsage},
		"an empty key":             {nil, []string{"get", ""}, ExitUsage},
		"a key too long":           {nil, []string{"head", strings.Repeat("k", 4097)}, ExitUsage},
		"an unknown flag":          {nil, []string{"ls", "--nope"}, ExitUsage},
		"a flag's value":           {nil, []string{"ls", "--timeout", "soon"}, ExitUsage},
		"a negative timeout":       {nil, []string{"ls", "--timeout", "-1s"}, ExitUsage},
		"a bad URL":                {nil, []string{"ls", "--url", "nowhere"}, ExitUsage},
		"nobody there":             {nil, []string{"put", "k", os.DevNull, "--url", "http://127.0.0.1:1"}, ExitUnavailable},
		"get, not found":           {nil, []string{"get", "k"}, ExitNotFound},
		"head, not found":          {nil, []string{"head", "k"}, ExitNotFound},
		"rm, not found":            {nil, []string{"rm", "k"}, ExitNotFound},
		"cp, not found":            {nil, []string{"cp", "k", "l"}, ExitNotFound},
		"put, precondition":        {nil, []string{"put", "k", "--if-match", "*"}, ExitPrecondition},
		"put, refused":             {all(status(503, "")), []string{"put", "k"}, ExitUnavailable},
		"put, refused once":        {all(status(503, ""))[:1], []string{"put", "k"}, 0},
		"get, refused":             {all(status(503, "")), []string{"get", "k"}, ExitUnavailable},
		"put, unknown":             {all(status(504, "")), []string{"put", "k"}, ExitUnknown},
		"put, connection lost":     {all(naive.Drop), []string{"put", "k"}, ExitUnknown},
		"rm, connection lost":      {all(naive.Drop), []string{"rm", "k"}, ExitUnknown},
		"put, too large":           {all(status(413, "")), []string{"put", "k"}, ExitRefused},
		"put, memory":              {all(status(507, "")), []string{"put", "k"}, ExitRefused},
		"put, bad request":         {all(status(400, "")), []string{"put", "k"}, ExitUsage},
		"rm, of several the worst": {[]naive.Fault{status(404, ""), status(504, ""), status(412, "")}, []string{"rm", "a", "b", "c"}, ExitUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			store := serve(t)
			store.Next(tt.faults...)
			if r := run(t, text("v"), tt.args...); r.code != tt.want || r.errOut != "" {
				t.Errorf("exit code %d, want %d: %v, stderr %q", r.code, tt.want, r.err, r.errOut)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	store := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	store.Next(func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
		return true
	})
	if r := runContext(ctx, text("v"), "put", "k"); r.code != ExitInterrupted {
		t.Errorf("exit code %d: %v", r.code, r.err)
	}

	// Also while standard input says nothing.
	ctx, cancel = context.WithCancel(t.Context())
	stdin, closeStdin := io.Pipe()
	defer func() { _ = closeStdin.Close() }()
	reading := readerFunc(func(p []byte) (int, error) { cancel(); return stdin.Read(p) })
	if r := runContext(ctx, reading, "put", "k"); r.code != ExitInterrupted {
		t.Errorf("exit code %d: %v", r.code, r.err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestCompletion(t *testing.T) {
	store := serve(t)
	for _, k := range []string{"apple", "apricot", "banana", "ap\nple", "ap\tple"} {
		store.Set(k, "", "")
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a prefix":               {[]string{"get", "ap"}, "apple\napricot\n:4\n"},
		"only one key":           {[]string{"get", "apple", ""}, ":4\n"},
		"those not yet there":    {[]string{"rm", "apple", "a"}, "apricot\n:4\n"},
		"a file":                 {[]string{"put", "apple", ""}, ":0\n"},
		"nothing for an ETag":    {[]string{"put", "--if-match", ""}, ":4\n"},
		"the store does not run": {[]string{"get", "--url", "http://127.0.0.1:1", "ap"}, ":4\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, nobody, append([]string{"__complete"}, tt.args...)...)
			if r.out != tt.want || r.err != nil {
				t.Errorf("%q, want %q; %v", r.out, tt.want, r.err)
			}
		})
	}
}

const statusJSON = `{"name":"c-0-169","range":"0-169","incarnation":"0102030405060708090a0b0c0d0e0f10",
"cluster":"11111111111111111111111111111111","epoch":7,"phase":"serving","ready":true,"lease":"lost",
"slotsOwned":170,"slotsComplete":169,"slotsActive":85,"slotsLost":2,"copyBytesLeft":2097152,"keys":3,"values":2,
"keyBytes":96,"valueBytes":2097152,"memoryUsed":3221225472,"memoryLimit":4294967296,"dedupRatio":1.5,
"members":[{"name":"c-0-169","range":"0-169","address":"127.0.0.1:21286","phase":"serving","reachable":true},
{"name":"c-85-255","range":"85-255","address":"127.0.0.1:21296","phase":"serving","reachable":false},
{"name":"c-170-84","range":"170-84","address":"127.0.0.1:21306","phase":"joining"}]}`

func TestStatus(t *testing.T) {
	answer, code := statusJSON, http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	t.Setenv(envAdminURL, server.URL)
	run(t, nobody, "status", "--json").check(t, 0, statusJSON)
	run(t, nobody, "status").check(t, 0, `node         c-0-169
range        0-169
incarnation  0102030405060708090a0b0c0d0e0f10
cluster      11111111111111111111111111111111
epoch        7
phase        serving, ready
slots        170 owned, 169 complete, primary of 85; about 2.0 MiB left to copy; 2 slots of the cluster were lost with all their copies
lease        lost: it has not heard of all other owners for too long, so it answers 503 for some slots
keys         3 (96 B)
values       2 (2.0 MiB)
memory       3.0 GiB of 4.0 GiB

MEMBER    RANGE   PHASE    ADDRESS          REACHABLE
c-0-169   0-169   serving  127.0.0.1:21286  yes
c-85-255  85-255  serving  127.0.0.1:21296  no
c-170-84  170-84  joining  127.0.0.1:21306  not known
`)
	answer = strings.Replace(statusJSON, `"slotsComplete":169`, `"slotsComplete":256`, 1)
	if r := run(t, nobody, "status"); !strings.Contains(r.out, "values       2 (2.0 MiB), deduplication 1.50\n") {
		t.Errorf("of a node that holds everything: %s", r.out)
	}
	for pace, want := range map[string]string{
		`"copyBytesPerSecond":1048576,"copySecondsLeft":3722,`: "about 2.0 MiB left to copy, about 1h2m2s at 1.0 MiB/s;",
		`"copySecondsLeft":-1,`:                                "about 2.0 MiB left to copy, nothing came of late;",
	} {
		answer = "{" + pace + statusJSON[1:]
		if r := run(t, nobody, "status"); !strings.Contains(r.out, want) {
			t.Errorf("with %s: %s", pace, r.out)
		}
	}
	answer, code = `{"name":"c-0-255","range":"0-255","ready":false,"reason":"no layout yet"}`, http.StatusServiceUnavailable
	if r := run(t, nobody, "status"); r.code != 0 || !strings.Contains(r.out, "phase        no member, not ready: no layout yet\n") {
		t.Errorf("%v\n%s", r.err, r.out)
	}
	answer, code = `{"name":`, http.StatusOK
	run(t, nobody, "status").check(t, ExitOther, "")
	run(t, nobody, "status", "--admin-url", server.URL+"/elsewhere").check(t, ExitNotFound, "")

	// The REST port is not the admin port.
	store := serve(t)
	store.Set("status", "v", "text/plain")
	r := run(t, nobody, "status", "--admin-url", os.Getenv(envURL))
	r.check(t, ExitOther, "")
	if !strings.Contains(r.err.Error(), "is this the admin port?") {
		t.Errorf("%v", r.err)
	}
}

// A bar is for people: it is there on a terminal only, and for large values only.
func TestProgress(t *testing.T) {
	value := text("v")
	if r, _ := progress(io.Discard, "put k", value, 100<<20); r != value {
		t.Error("a bar without a terminal")
	}
	defer func() { isTerminal = onTerminal }()
	isTerminal = func(io.Writer) bool { return true }
	var screen bytes.Buffer
	if r, _ := progress(&screen, "put k", value, barAbove); r != value {
		t.Error("a bar for a small value")
	}
	for _, size := range []int64{barAbove + 1, -1} {
		screen.Reset()
		r, _ := progress(&screen, "put k", io.LimitReader(zeros{}, barAbove+1), size)
		n, err := io.Copy(io.Discard, r)
		if n != barAbove+1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		endProgress(r)
		if !strings.Contains(screen.String(), "put k") {
			t.Errorf("size %d: no bar: %q", size, screen.String())
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 30: "3.0 GiB", 7 << 40: "7.0 TiB", 9000 << 40: "9000.0 TiB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
