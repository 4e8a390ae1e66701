// Package e2e tests Seppen as people use it: with kubectl, helm and curl's requests, on
// real kubelets. ../e2e.sh starts the Kubernetes that it needs, and ends it.
//
// A test of a cluster is a feature: its setup makes the cluster in a namespace of its
// own, its assessments are what must be true of it, in order. Clusters that do not
// disturb each other run at the same time.
package e2e
