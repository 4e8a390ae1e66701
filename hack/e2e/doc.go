// Package e2e tests Seppen as people use it: with kubectl, helm and curl's requests, on
// real kubelets. ../e2e.sh starts the Kubernetes that it needs, and ends it.
//
// A test of a cluster is a feature: its setup makes the cluster in a namespace of its
// own, its assessments are what must be true of it, in order. Clusters that do not
// disturb each other run at the same time.
//
// Where something is broken clients are at work (load): all that they are told is kept, and
// each key must have been a register with compare-and-set (history). One of the three
// machines is there to be lost: other tests' pods do not run on it.
package e2e
