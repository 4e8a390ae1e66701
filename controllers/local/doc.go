// Package local is `seppen local`: a whole cluster on this machine, each node a
// process of its own, and the parent process the author of their layout in place of
// the operator.
//
// One goroutine owns all that the author knows (author.go) and goes round
//
//	observe → plan (controllers/placement) → apply → report
//
// on every event and every second, and starts the children that are due (children.go).
// Around it, each child process has goroutines that read its log and wait for its end
// (process.go) and, while there is no connection to it, one that dials its peer port
// (connect.go). They tell the author by events.
package local
