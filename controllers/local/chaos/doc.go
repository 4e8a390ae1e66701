// Package chaos does harm to a cluster of real processes under load, and checks that it
// keeps its promises. It has tests only.
//
// A cluster is `seppen local` in a process of its own, so that its author can be paused
// and killed too; its nodes are the real program. Where connections are to be cut, the
// author is given proxies for the nodes' peer ports (network_test.go). Clients ask all
// nodes, and what they hear is judged as linearizable registers (history_test.go). Faults
// come at times and places that one seed gives, though the processes take their own time:
// a seed makes a failure likely again, not certain.
//
// One loss at a time is what the number of copies is for, so each fault waits until all
// copies are there again, except where the test is about losing them all.
//
//	go test ./controllers/local/chaos -chaos.rounds 200 -timeout 1h
//
// is more of the same.
package chaos
