// Package peer is the peer port seen from either end: a handshake in which both
// sides prove that they know the cluster's secret, then frames. Small messages share
// one Conn, many at a time; bodies travel on Bulk connections of their own, one at a
// time on each. What the messages of nodes among themselves mean is not known here
// (see node/peers); the calls of a layout's author are.
package peer
