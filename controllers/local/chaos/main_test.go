package chaos

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/controllers/local"
)

var (
	rounds    = flag.Int("chaos.rounds", 0, "how many faults to inject in TestFaults; 0: each kind once")
	seed      = flag.Uint64("chaos.seed", 0, "of which faults and when; 0: from the clock")
	only      = flag.String("chaos.fault", "", "the only kind of fault to inject in TestFaults")
	shape     = flag.String("chaos.shape", "", "the only shape of clusters in TestFaults, such as 3x2: shards and copies")
	given     = flag.String("chaos.binary", "", "the program under test; empty: it is built")
	megabytes = flag.Int("chaos.megabytes", 64, "how much TestCopiesAgain has a node copy")
	verbose   = flag.Bool("chaos.verbose", false, "have nodes log all, and show it when a test fails")
)

// TestMain makes this test's program `seppen local` and, for a moment, `seppen node`.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "local":
			os.Exit(author(os.Args[2:]))
		case "node":
			os.Exit(become(os.Args[2:]))
		}
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano()) % 1e6
	}
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// author is `seppen local`, which ends with whoever holds the other end of its input.
func author(args []string) int {
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // its end is what counts
		os.Exit(9)
	}()
	cmd := local.Command()
	cmd.SetArgs(args)
	cmd.SetOut(os.Stdout)
	cmd.SetErr(os.Stderr)
	if cmd.Execute() != nil {
		return 1
	}
	return 0
}

// scratch is where the program and the sockets of this run are.
var scratch string

// program is the path of the real program, built once.
var program = sync.OnceValues(func() (string, error) {
	if *given != "" {
		return filepath.Abs(*given)
	}
	path := filepath.Join(scratch, "seppen")
	out, err := exec.Command("go", "build", "-o", path, "github.com/eiri/seppen").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// ready skips what takes too long, and tells how to repeat the rest.
func ready(t *testing.T) *rand.Rand {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	t.Logf("-chaos.seed=%d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}
