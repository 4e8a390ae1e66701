package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// node returns what a node makes of the three files it is given.
func (a *authority) node() (server, client *tls.Config) {
	key := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	server, client, err = peerTLS(a.file("CERTIFICATE", der), a.file("PRIVATE KEY", keyDER), a.file("CERTIFICATE", a.cert.Raw))
	if err != nil {
		a.t.Fatal(err)
	}
	return server, client
}

func (a *authority) file(kind string, der []byte) string {
	name := filepath.Join(a.t.TempDir(), "x.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return name
}

// With TLS between peers both sides need a certificate of the authority, besides the
// secret.
func TestPeerTLS(t *testing.T) {
	ours := newAuthority(t)
	c := startCluster(t, 3, 2, plenty, func(cfg *Config) { cfg.PeerTLSServer, cfg.PeerTLSClient = ours.node() })
	for i, size := range []int{100, 300 << 10} {
		value := noise(9, size)
		for j, primary := range [][]int{{0, 2}, {1, 0}, {2, 1}} {
			key := c.keyAt(primary...)
			if r := c.do((i+j)%3, "PUT", key, value); r.status/100 != 2 {
				t.Errorf("PUT: %d %s", r.status, r.body)
			}
			for node := range c.nodes {
				if r := c.do(node, "GET", key, nil); r.status != 200 || string(r.body) != string(value) {
					t.Errorf("GET: %d", r.status)
				}
			}
		}
	}
	_, theirs := newAuthority(t).node()
	_, bare := ours.node()
	bare.Certificates = nil
	for name, config := range map[string]*tls.Config{"plain": nil, "of another authority": theirs, "without a certificate": bare} {
		d := &peer.Dialer{Key: c.secret.PeerKey(), TLS: config, Self: func() peer.Hello { return peer.Hello{} }}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if conn, err := d.Dial(ctx, c.nodes[0].peerAddr, layout.ID{}); err == nil {
			conn.Close()
			t.Errorf("a peer %s was let in", name)
		}
		cancel()
	}
	plain := startCluster(t, 1, 1, plenty, nil)
	if conn, err := c.dialer().Dial(t.Context(), plain.nodes[0].peerAddr, layout.ID{}); err == nil {
		conn.Close()
		t.Error("a peer with TLS talks to one without")
	}
}
