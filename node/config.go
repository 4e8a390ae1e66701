package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/command"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// Config is what a node is told when it starts.
type Config struct {
	Name         layout.Name
	Listen       string // address of the REST port
	PeerListen   string
	AdminListen  string
	Secret       []byte
	MemoryLimit  int64 // bytes; 0: a share of what there is
	MaxValue     int64 // bytes
	MaxConns     int   // 0: as many as the memory allows
	BodyTimeout  time.Duration
	DrainTimeout time.Duration // how long requests in flight may take when the node stops
	// LeaveTimeout is how long a member that is told to stop goes on until the layout lets it
	// go; 0: it does not wait for that.
	LeaveTimeout time.Duration
	// Linger is how long a node that is told to stop accepts clients at least, once it is let go.
	Linger        time.Duration
	PeerTLSServer *tls.Config // nil: without TLS
	PeerTLSClient *tls.Config
	Lifeline      io.Reader // the node stops when it ends; nil: none

	second time.Duration // of the times that protect placed values; tests have short ones
}

// DefaultSecret is the secret where nobody gave one, outside Kubernetes. Everyone knows it.
const DefaultSecret = "snowflake"

// readSecret returns the secret from a file, else from the environment, else the one
// that everyone knows, but not in Kubernetes. One newline at the end of a file is not
// part of it, so that a file made with an editor works.
func readSecret(file string) (secret []byte, isDefault bool, err error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, false, fmt.Errorf("secret: %w", err)
		}
		b = uid.TrimLine(b)
		if len(b) == 0 {
			return nil, false, fmt.Errorf("secret: %s is empty", file)
		}
		return b, false, nil
	}
	if s := os.Getenv("SEPPEN_SECRET"); s != "" {
		return []byte(s), false, nil
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return nil, false, errors.New("no secret: set --secret-file or SEPPEN_SECRET")
	}
	return []byte(DefaultSecret), true, nil
}

// parseBytes reads a size such as 64MiB, 64Mi, 1GB or 1048576.
func parseBytes(s string) (int64, error) {
	q, err := resource.ParseQuantity(strings.TrimSuffix(s, "B"))
	if err != nil || q.Sign() < 0 {
		return 0, fmt.Errorf("%q is not a size such as 64MiB or 1048576", s)
	}
	n, ok := q.AsInt64()
	if !ok {
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	return n, nil
}

// peerTLS loads what the peer port needs for TLS: both sides show a certificate that
// the authority has signed. All three files or none.
func peerTLS(certFile, keyFile, caFile string) (server, client *tls.Config, err error) {
	if certFile == "" && keyFile == "" && caFile == "" {
		return nil, nil, nil
	}
	if certFile == "" || keyFile == "" || caFile == "" {
		return nil, nil, command.Usage(errors.New("TLS between peers needs all of --peer-tls-cert, --peer-tls-key and --peer-tls-ca"))
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("peer TLS: %w", err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, nil, fmt.Errorf("peer TLS: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("peer TLS: no certificate in %s", caFile)
	}
	both := []tls.Certificate{cert}
	server = &tls.Config{Certificates: both, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	client = &tls.Config{Certificates: both, RootCAs: pool, MinVersion: tls.VersionTLS13}
	return server, client, nil
}
