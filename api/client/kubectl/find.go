package kubectl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// The labels of the pods of nodes and of the operator (docs/kubernetes.md).
const (
	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	container      = "seppen"
)

// nodes selects the pods of all nodes, or of one cluster's.
func nodes(cluster string) client.MatchingLabels {
	l := client.MatchingLabels{nameLabel: "seppen", componentLabel: "node"}
	if cluster != "" {
		l[instanceLabel] = cluster
	}
	return l
}

// find is the cluster of a name, or the only one there is if the name is empty.
func (a *access) find(ctx context.Context, name string) (*v1alpha1.SeppenCluster, error) {
	if name != "" {
		c := &v1alpha1.SeppenCluster{}
		err := a.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: name}, c)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no SeppenCluster %s in namespace %s%s", name, a.namespace, a.others(ctx))
		}
		return c, explain(err)
	}
	list := &v1alpha1.SeppenClusterList{}
	if err := a.List(ctx, list, client.InNamespace(a.namespace)); err != nil {
		return nil, explain(err)
	}
	switch len(list.Items) {
	case 0:
		return nil, fmt.Errorf("there is no SeppenCluster in namespace %s; -n names another one", a.namespace)
	case 1:
		return &list.Items[0], nil
	}
	return nil, verbs.Usage(fmt.Errorf("there are several SeppenClusters in namespace %s, name one: %s", a.namespace, names(list)))
}

// others says which clusters there are, for who asked for one that is not.
func (a *access) others(ctx context.Context) string {
	list := &v1alpha1.SeppenClusterList{}
	if err := a.List(ctx, list, client.InNamespace(a.namespace)); err != nil || len(list.Items) == 0 {
		return ""
	}
	return "; there is " + names(list)
}

func names(list *v1alpha1.SeppenClusterList) string {
	out := make([]string, len(list.Items))
	for i := range list.Items {
		out[i] = list.Items[i].Name
	}
	return strings.Join(out, ", ")
}

// layout is a cluster's durable layout, nil if there is none.
func (a *access) layout(ctx context.Context, c *v1alpha1.SeppenCluster) (*layout.Layout, error) {
	m := &corev1.ConfigMap{}
	name := c.Name + "-layout"
	err := a.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, m)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // a cluster that begins has none
	}
	if err != nil {
		return nil, err
	}
	l, err := layout.Decode(m.BinaryData["layout"])
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s: %w", c.Namespace, name, err)
	}
	return l, nil
}

func (a *access) pods(ctx context.Context, c *v1alpha1.SeppenCluster) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := a.List(ctx, list, client.InNamespace(c.Namespace), nodes(c.Name))
	return list.Items, err
}

// explain makes an error of the API server one for people.
func explain(err error) error {
	if meta.IsNoMatchError(err) {
		return errors.New("this Kubernetes does not know SeppenClusters: the operator is not installed")
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return err
	}
	var causes []string
	for _, c := range status.Status().Details.Causes {
		text := c.Message
		if c.Field != "" && !strings.HasPrefix(text, c.Field) {
			text = c.Field + ": " + text
		}
		causes = append(causes, text)
	}
	return fmt.Errorf("the API server refuses it: %s", strings.Join(causes, "\n"))
}
