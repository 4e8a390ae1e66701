package controllers_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// create makes a cluster and gives it a status.
func create(t *testing.T, kube *kubetest.Kube, c *v1alpha1.SeppenCluster, status v1alpha1.SeppenClusterStatus) {
	t.Helper()
	if err := kube.Client.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Status = status
	if err := kube.Client.Status().Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func named(namespace, name string) *v1alpha1.SeppenCluster {
	return &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// definition is the schema of the resource, as deep as kubectl explain is asked.
func definition(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../config/crd/bases/seppen.io_seppenclusters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	at := parse(t, string(data))["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	return at["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)
}

// Each field has a description, which begins with or explains its name.
func TestExplain(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	// The API server publishes the definition some time after it has it.
	kubetest.Eventually(t, func() error {
		_, err := kube.Run(t, "", "explain", "seppencluster")
		return err
	})
	for _, path := range []string{"spec", "spec.secretRef", "spec.service", "spec.podTemplate", "spec.podTemplate.metadata", "spec.podTemplate.spec", "status", "status.nodes", "status.lostSlots", "status.conditions"} {
		out := kube.MustRun(t, "", "explain", "seppencluster."+path)
		at := map[string]any{"properties": definition(t)}
		for step := range strings.SplitSeq(path, ".") {
			at = at["properties"].(map[string]any)[step].(map[string]any)
			if items, ok := at["items"].(map[string]any); ok {
				at = items
			}
		}
		names := at["properties"].(map[string]any)
		if len(names) < 2 {
			t.Errorf("%s has %d fields", path, len(names))
		}
		for name := range names {
			field := regexp.MustCompile(`(?m)^  ` + name + "\t<.*>.*\n(  enum: .*\n)?    (.*)$")
			if m := field.FindStringSubmatch(out); m == nil || len(m[2]) < 10 || m[2] == "<no description>" {
				t.Errorf("explain seppencluster.%s says nothing of %s:\n%s", path, name, out)
			}
		}
	}
}

func TestNamesInKubectl(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	create(t, kube, named(namespace, "snow"), v1alpha1.SeppenClusterStatus{})
	// Not sc: StorageClass has that name too, and goes first. "all" is of many kinds.
	for _, name := range []string{"seppencluster", "seppenclusters", "SeppenCluster", "seppen", "seppenclusters.v1alpha1.seppen.io", "all"} {
		out, err := kube.Run(t, "", "-n", namespace, "get", name, "-o", "name")
		if err != nil || out != "seppencluster.seppen.io/snow\n" {
			t.Errorf("get %s: %q, %v", name, out, err)
		}
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	create(t, kube, named(namespace, "snow"), v1alpha1.SeppenClusterStatus{
		Epoch: 7, Shards: 3, Copies: 2, Ready: "3/3", Keys: 1234, Bytes: 5_000_000, Size: "4.8Mi", Memory: "12Mi of 2.3Gi", SecretName: "snow-secret",
		Conditions: []metav1.Condition{
			{Type: "Degraded", Status: metav1.ConditionFalse, Reason: "AllCopies", LastTransitionTime: metav1.Now()},
			{Type: "Ready", Status: metav1.ConditionTrue, Reason: "AllSlots", Message: "every slot is served", LastTransitionTime: metav1.Now()},
		},
	})
	if err := kube.Client.Create(t.Context(), named(namespace, "young")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{
			"NAME|SHARDS|COPIES|READY|KEYS|SIZE|AGE",
			"snow|3|2|3/3|1234|4.8Mi|now",
			"young||||||now",
		}},
		{[]string{"-o", "wide"}, []string{
			"NAME|SHARDS|COPIES|READY|KEYS|SIZE|AGE|STATE|EPOCH|MEMORY|SECRET|MESSAGE",
			"snow|3|2|3/3|1234|4.8Mi|now|AllSlots|7|12Mi of 2.3Gi|snow-secret|every slot is served",
			"young||||||now|||||",
		}},
	} {
		out := kube.MustRun(t, "", append([]string{"-n", namespace, "get", "seppen"}, tt.args...)...)
		if diff := cmp.Diff(tt.want, cells(t, out)); diff != "" {
			t.Errorf("get %v:\n%s-want +got:\n%s", tt.args, out, diff)
		}
	}
}

// cells reads a table that kubectl printed: each column begins where its title does.
func cells(t *testing.T, table string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	begins := regexp.MustCompile(`\S+`).FindAllStringIndex(lines[0], -1)
	var out []string
	for _, line := range lines {
		var row []string
		for i, at := range begins {
			end := len(line)
			if i+1 < len(begins) {
				end = min(begins[i+1][0], end)
			}
			cell := strings.TrimSpace(line[min(at[0], end):end])
			if regexp.MustCompile(`^\d+s$`).MatchString(cell) {
				cell = "now"
			}
			row = append(row, cell)
		}
		out = append(out, strings.Join(row, "|"))
	}
	return out
}

func TestScale(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	c := named(namespace, "snow")
	create(t, kube, c, v1alpha1.SeppenClusterStatus{Shards: 3, Selector: "app.kubernetes.io/instance=snow"})
	kube.MustRun(t, "", "-n", namespace, "scale", "seppen/snow", "--replicas=5")
	if got := get(t, kube, namespace, "snow"); *got.Spec.Shards != 5 {
		t.Errorf("%d shards", *got.Spec.Shards)
	}
	_, err := kube.Run(t, "", "-n", namespace, "scale", "seppen/snow", "--replicas=257")
	if err == nil || !strings.Contains(err.Error(), "spec.shards in body should be less than or equal to 256") {
		t.Errorf("257: %v", err)
	}

	scale := parse(t, kube.MustRun(t, "", "get", "--raw",
		"/apis/seppen.io/v1alpha1/namespaces/"+namespace+"/seppenclusters/snow/scale"))
	want := map[string]any{
		"spec":   map[string]any{"replicas": 5.0},
		"status": map[string]any{"replicas": 3.0, "selector": "app.kubernetes.io/instance=snow"},
	}
	for part := range want {
		if diff := cmp.Diff(want[part], scale[part]); diff != "" {
			t.Errorf("%s of the scale subresource:\n%s", part, diff)
		}
	}
}

// Kubernetes' own autoscaler finds a cluster's scale and follows its bounds.
func TestAutoscaler(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	create(t, kube, named(namespace, "snow"), v1alpha1.SeppenClusterStatus{Shards: 3, Selector: "app.kubernetes.io/instance=snow"})
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "snow"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "seppen.io/v1alpha1", Kind: "SeppenCluster", Name: "snow"},
			MinReplicas:    new(int32(4)),
			MaxReplicas:    8,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceMemory,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(70))},
			}}},
		},
	}
	if err := kube.Client.Create(t.Context(), hpa); err != nil {
		t.Fatal(err)
	}
	// There are no metrics here, but it goes up to the least without.
	kubetest.Eventually(t, func() error {
		c := get(t, kube, namespace, "snow")
		if err := kube.Client.Get(t.Context(), client.ObjectKeyFromObject(hpa), hpa); err != nil {
			return err
		}
		var conditions []metav1.Condition
		for _, c := range hpa.Status.Conditions {
			conditions = append(conditions, metav1.Condition{Type: string(c.Type), Status: metav1.ConditionStatus(c.Status), Reason: c.Reason, Message: c.Message})
		}
		if !meta.IsStatusConditionTrue(conditions, "AbleToScale") || *c.Spec.Shards != 4 {
			return fmt.Errorf("%d shards, %v", *c.Spec.Shards, conditions)
		}
		return nil
	})
}

// The secret places all keys and values, so it is fixed when there are any.
func TestSecretRefIsFixedOnceStarted(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	const fixed = "spec.secretRef cannot be changed once the cluster has started: all keys and values are placed by the secret"
	type change struct{ from, to string }
	changes := map[string]change{
		"another":     {"{secretRef: {name: a}}", "{secretRef: {name: b}}"},
		"another key": {"{secretRef: {name: a}}", "{secretRef: {name: a, key: k}}"},
		"the first":   {"{}", "{secretRef: {name: a}}"},
		"none":        {"{secretRef: {name: a}}", "{}"},
	}
	harmless := map[string]change{
		"the default": {"{secretRef: {name: a}}", "{secretRef: {name: a, key: secret}}"},
		"other field": {"{secretRef: {name: a}}", "{secretRef: {name: a}, image: another}"},
		"no secret":   {"{}", "{image: another}"},
	}
	for state, status := range map[string]*v1alpha1.SeppenClusterStatus{
		"without status": nil,
		"not started":    {Ready: "0/3"},
		"started":        {Epoch: 1},
	} {
		for allowed, set := range map[bool]map[string]change{status == nil || status.Epoch == 0: changes, true: harmless} {
			for what, tt := range set {
				t.Run(state+", "+what, func(t *testing.T) {
					t.Parallel()
					name := strings.ReplaceAll(state+" "+what, " ", "-")
					kube.MustRun(t, manifest(name, tt.from), "-n", namespace, "apply", "-f", "-")
					if status != nil {
						c := get(t, kube, namespace, name)
						c.Status = *status
						if err := kube.Client.Status().Update(t.Context(), c); err != nil {
							t.Fatal(err)
						}
					}
					_, err := kube.Run(t, manifest(name, tt.to), "-n", namespace, "apply", "-f", "-")
					if allowed && err != nil || !allowed && (err == nil || !strings.Contains(err.Error(), fixed)) {
						t.Errorf("allowed: %v; kubectl said: %v", allowed, err)
					}
				})
			}
		}
	}
}
