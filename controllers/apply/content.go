package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Applied is the annotation with the hash of the object as it was wanted. Fields that are
// no longer wanted show in it and nowhere else.
const Applied = "seppen.io/applied"

// encode turns a wanted object into what is sent.
func (a Applier) encode(want client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(want, a.Client.Scheme())
	if err != nil {
		return nil, err
	}
	fields, err := content(want)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	text, err := json.Marshal(fields) // its maps are sorted
	if err != nil {
		return nil, err
	}
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	sum := sha256.Sum256(text)
	annotations[Applied] = hex.EncodeToString(sum[:12])
	u.SetAnnotations(annotations)
	return u, nil
}

// content is an object's JSON, without what is null.
func content(o client.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	return withoutNulls(fields).(map[string]any), nil
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if field == nil {
				delete(v, name)
			} else {
				v[name] = withoutNulls(field)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}
