package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is the kind of the one resource of this group.
const Kind = "SeppenCluster"

var (
	// GroupVersion is seppen.io/v1alpha1.
	GroupVersion = schema.GroupVersion{Group: "seppen.io", Version: "v1alpha1"}
	// SchemeBuilder collects what AddToScheme adds.
	SchemeBuilder = runtime.NewSchemeBuilder(addTypes)
	// AddToScheme makes a scheme know the types of this group and version.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &SeppenCluster{}, &SeppenClusterList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
