package apply

import (
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// ErrForeign: an object of that name exists that the cluster does not control.
var ErrForeign = errors.New("exists and is not this cluster's")

var errBehind = errors.New("there is a newer object than the one that was seen")

// Foreign returns ErrForeign with words on whose it is for an object that owner does not
// control. A cluster that was deleted and made again is another one.
func Foreign(owner, have metav1.Object, kind string) error {
	if metav1.IsControlledBy(have, owner) {
		return nil
	}
	ref := metav1.GetControllerOf(have)
	whose := "nothing controls it"
	cluster := ref != nil && ref.Kind == v1alpha1.Kind && strings.HasPrefix(ref.APIVersion, v1alpha1.GroupVersion.Group+"/")
	switch {
	case ref == nil:
	case cluster && ref.Name == owner.GetName():
		whose = "it is left of an earlier one of the same name and will be deleted by Kubernetes"
	case cluster:
		whose = fmt.Sprintf("it is controlled by %s %s, which may have data in it: leave it, and give this cluster another name", ref.Kind, ref.Name)
	default:
		whose = fmt.Sprintf("it is controlled by %s %s", ref.Kind, ref.Name)
	}
	if !have.GetDeletionTimestamp().IsZero() {
		whose += "; it is being deleted"
	}
	return fmt.Errorf("%s %s %w: %s", kind, have.GetName(), ErrForeign, whose)
}
