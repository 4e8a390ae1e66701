// Package local is `seppen local`: a whole cluster on this machine, each node a
// process of its own, and the parent process the author of their layout in place of
// the operator.
//
// One goroutine owns all that the author knows (author.go) and goes round
//
//	start → plan → push → report
//
// ten times a second, and at once when a process ends or is another incarnation. It
// starts the children that are due (children.go), takes the steps that
// controllers/placement finds (plan.go), hands the layout to all who do not have it
// (push.go), and says what happened (news.go, report.go). It never waits for a node.
//
// Others do that, and tell the author by events: each child process has goroutines that
// read its log and wait for its end (process.go), each connection one that asks the node
// how it is (attend.go), and while there is no connection one dials the node's peer port
// (connect.go). Proof that an incarnation is dead is its process's end, or another
// incarnation in the same process.
package local
