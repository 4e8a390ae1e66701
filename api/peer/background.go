package peer

import (
	"crypto/tls"
	"net"
)

// Background tells whether what is sent on the request's connection, its reply included, may wait
// while this machine has something else to send. Where the system knows no such thing it has no
// effect.
func (r *BodyRequest) Background(on bool) {
	if r.background == nil || *r.background == on {
		return
	}
	*r.background = on
	nc := r.nc
	if c, ok := nc.(*tls.Conn); ok {
		nc = c.NetConn()
	}
	if c, ok := nc.(*net.TCPConn); ok {
		setBackground(c, on)
	}
}
