// Package routing has the rules by which a request goes through the owners of its key and its
// value: when it is tried again, and whom it asks for a value. It is pure: node/router follows
// it, and so do the nodes of node/replica/simulation, which proves it.
package routing
