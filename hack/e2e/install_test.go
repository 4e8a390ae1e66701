package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

const (
	operatorName  = "seppen-operator" // of the Deployment, in both ways to install it
	operatorLabel = "app.kubernetes.io/name=seppen,app.kubernetes.io/component=operator"
)

// release are helm's arguments after install or upgrade.
func release(more ...string) []string {
	repository, tag, _ := strings.Cut(image, ":")
	return append([]string{
		"seppen", root + "/charts/seppen", "--namespace", operatorNamespace, "--wait", "--timeout", "2m",
		"--set", "image.repository=" + repository, "--set", "image.tag=" + tag,
	}, more...)
}

func install(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	return ctx, execute(ctx, "", "helm", append([]string{"install", "--create-namespace"}, release()...)...).err
}

func installed() *features.FeatureBuilder {
	return features.New("installed").
		Assess("the operator is ready and holds the lease", step(operatorWorks)).
		Assess("its metrics answer", step(func(t *testing.T) {
			metrics := kubectl(t, "get", "--raw", "/api/v1/namespaces/"+operatorNamespace+"/services/"+operatorName+"-metrics:metrics/proxy/metrics")
			for _, want := range []string{"controller_runtime_reconcile_total{", "leader_election_master_status{name=\"seppen-operator\"} 1"} {
				if !strings.Contains(metrics, want) {
					t.Errorf("the metrics have no %s", want)
				}
			}
		})).
		Assess("helm test passes", step(func(t *testing.T) {
			if out := helm(t, "test", "seppen", "--namespace", operatorNamespace, "--logs"); !strings.Contains(out, "six arms") {
				t.Errorf("it did not read back what it stored:\n%s", out)
			}
			if left := kubectl(t, "get", "seppenclusters", "--all-namespaces", "-o", "name"); left != "" {
				t.Errorf("it left %s", left)
			}
		})).
		Assess("an upgrade that changes nothing rolls nothing", step(func(t *testing.T) {
			pod, deployment := operatorPod(t), operatorDeployment(t)
			helm(t, append([]string{"upgrade"}, release()...)...)
			if got := operatorDeployment(t); got.Generation != deployment.Generation {
				t.Errorf("the Deployment was changed: generation %d, was %d", got.Generation, deployment.Generation)
			}
			if got := operatorPod(t); got.UID != pod.UID {
				t.Errorf("pod %s was replaced by %s", pod.Name, got.Name)
			}
		}))
}

// operatorWorks: a ready pod holds the lease.
func operatorWorks(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		pod := operatorPod(t)
		if !isPodReady(pod) {
			return fmt.Errorf("pod %s is not ready", pod.Name)
		}
		lease := &coordinationv1.Lease{}
		if err := get(t.Context(), operatorNamespace, "seppen-operator", lease); err != nil {
			return err
		}
		if holder := lease.Spec.HolderIdentity; holder == nil || !strings.HasPrefix(*holder, pod.Name+"_") {
			return fmt.Errorf("the lease is not held by %s: %+v", pod.Name, lease.Spec)
		}
		return nil
	})
}

func operatorDeployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := get(t.Context(), operatorNamespace, operatorName, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operatorPod is the newest one that is not being deleted, or an empty one.
func operatorPod(t *testing.T) *corev1.Pod {
	t.Helper()
	list := &corev1.PodList{}
	if err := find(t.Context(), operatorNamespace, list, operatorLabel); err != nil {
		t.Fatal(err)
	}
	newest := &corev1.Pod{}
	for i := range list.Items {
		if p := &list.Items[i]; p.DeletionTimestamp == nil && !p.CreationTimestamp.Before(&newest.CreationTimestamp) {
			newest = p
		}
	}
	return newest
}
