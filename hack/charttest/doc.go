// Package charttest tries the ways in: the Helm chart and the kustomizations, rendered
// and against a real API server. The tests need the programs that hack/kube/build.sh
// makes; hack/charttest.sh makes them and runs the tests, go test alone skips them.
package charttest
