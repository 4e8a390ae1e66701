package charttest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func kustomize(t testing.TB, dir string) string {
	t.Helper()
	return must(t, "", "kubectl", "kustomize", root+"/config/"+dir)
}

// config/default and the chart's default values install the same operator.
func TestKustomizeIsTheChart(t *testing.T) {
	const id = "Deployment seppen-system/seppen-operator"
	config, chart := find[appsv1.Deployment](t, parse(t, kustomize(t, "default")), id), find[appsv1.Deployment](t, render(t, "default"), id)
	for _, d := range []*appsv1.Deployment{config, chart} {
		for label := range d.Spec.Template.Labels { // Helm's own, and the version
			if _, selects := d.Spec.Selector.MatchLabels[label]; !selects {
				delete(d.Spec.Template.Labels, label)
			}
		}
	}
	if diff := cmp.Diff(config.Spec, chart.Spec); diff != "" {
		t.Errorf("-config/default +chart:\n%s", diff)
	}
	service := "Service seppen-system/seppen-operator-metrics"
	if diff := cmp.Diff(
		find[corev1.Service](t, parse(t, kustomize(t, "default")), service).Spec,
		find[corev1.Service](t, render(t, "default"), service).Spec); diff != "" {
		t.Errorf("-config/default +chart:\n%s", diff)
	}
}

// Nodes run the operator's image, also where a kustomization names another.
func TestKustomizedImage(t *testing.T) {
	d := find[appsv1.Deployment](t, parse(t, kustomize(t, "default")), "Deployment seppen-system/seppen-operator")
	container := d.Spec.Template.Spec.Containers[0]
	if want := "--node-image=" + container.Image; container.Args[1] != want || !strings.Contains(want, "/seppen:") {
		t.Errorf("image %s, argument %s", container.Image, container.Args[1])
	}
}
