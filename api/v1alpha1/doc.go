// Package v1alpha1 is the SeppenCluster resource: what a person writes to say which
// cluster there should be. `kubectl apply` and `seppen local -f` take the same file.
//
// +kubebuilder:object:generate=true
// +groupName=seppen.io
package v1alpha1
