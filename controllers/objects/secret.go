package objects

import (
	"bytes"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Secret is the one that the operator makes where the user names none. All keys and
// values are placed by it, so nobody may change it: the API server sees to that.
func Secret(c *v1alpha1.SeppenCluster, secret []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Secret"},
		ObjectMeta: meta(c, secretName(c), Labels(c.Name)),
		Type:       corev1.SecretTypeOpaque,
		Immutable:  new(true),
		Data:       map[string][]byte{v1alpha1.DefaultSecretKey: bytes.Clone(secret)},
	}
}
