// Package objects builds what a SeppenCluster consists of in Kubernetes. Each function
// returns one whole object and is pure: no client, no clock, nothing random, so the same
// cluster gives the same bytes, and a reconcile that changes nothing writes nothing.
//
//	for each node  →  StatefulSet {base}-{lo}, whose one pod is called {base}-{lo}-{hi}
//	once           →  Headless, Client, Secret, DisruptionBudget, NetworkPolicy
//
// A cluster that is passed in must have its defaults, and must be valid. It is not
// changed, and nothing of what is returned shares memory with it.
//
// What the API server would fill in is written out where the object would else depend on
// the server's version, and left out where only the server knows it (node ports, IPs).
package objects
