package charttest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestLint(t *testing.T) {
	for set := range sets {
		t.Run(set, func(t *testing.T) {
			must(t, "", "helm", append([]string{"lint", "--strict", chart}, valueFiles(set)...)...)
		})
	}
}

func TestObjects(t *testing.T) {
	for set, want := range map[string][]string{
		"default": {
			"ClusterRole seppen-operator", "ClusterRole seppen-operator-seppencluster-admin",
			"ClusterRole seppen-operator-seppencluster-editor", "ClusterRole seppen-operator-seppencluster-viewer",
			"ClusterRoleBinding seppen-operator", "CustomResourceDefinition seppenclusters.seppen.io",
			"Deployment seppen-system/seppen-operator", "Pod seppen-system/seppen-test-store",
			"Role seppen-system/seppen-operator-leader-election", "RoleBinding seppen-system/seppen-operator-leader-election",
			"SeppenCluster seppen-system/seppen-test", "Service seppen-system/seppen-operator-metrics",
			"ServiceAccount seppen-system/seppen-operator",
		},
		"namespaces": {
			"ClusterRole seppen-operator", "ClusterRole seppen-operator-seppencluster-admin",
			"ClusterRole seppen-operator-seppencluster-editor", "ClusterRole seppen-operator-seppencluster-viewer",
			"CustomResourceDefinition seppenclusters.seppen.io", "Deployment seppen-system/seppen-operator",
			"Pod snow/seppen-test-store", "Role seppen-system/seppen-operator-leader-election",
			"RoleBinding ice/seppen-operator", "RoleBinding seppen-system/seppen-operator-leader-election",
			"RoleBinding snow/seppen-operator", "SeppenCluster snow/seppen-test",
			"Service seppen-system/seppen-operator-metrics", "ServiceAccount seppen-system/seppen-operator",
		},
		"nothing": {
			"Deployment seppen-system/seppen-operator", "NetworkPolicy seppen-system/seppen-operator",
			"Pod seppen-system/seppen-test-store", "SeppenCluster seppen-system/seppen-test",
		},
		"everything": {
			"Deployment seppen-system/snow-maker", "NetworkPolicy seppen-system/snow-maker", "Pod snow/snow-maker-test-store",
			"PodDisruptionBudget seppen-system/snow-maker", "SeppenCluster snow/snow-maker-test",
		},
		"objects": {
			"ClusterRole snow-maker", "ClusterRole snow-maker-seppencluster-admin", "ClusterRole snow-maker-seppencluster-editor",
			"ClusterRole snow-maker-seppencluster-viewer", "CustomResourceDefinition seppenclusters.seppen.io",
			"Deployment seppen-system/snow-maker", "NetworkPolicy seppen-system/snow-maker", "Pod snow/snow-maker-test-store",
			"PodDisruptionBudget seppen-system/snow-maker", "Role seppen-system/snow-maker-leader-election",
			"RoleBinding ice/snow-maker", "RoleBinding seppen-system/snow-maker-leader-election", "RoleBinding snow/snow-maker",
			"SeppenCluster snow/snow-maker-test", "Service seppen-system/snow-maker-metrics",
			"ServiceAccount seppen-system/other", "ServiceMonitor seppen-system/snow-maker",
		},
	} {
		t.Run(set, func(t *testing.T) {
			if diff := cmp.Diff(want, render(t, set).ids()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Names stay within what Kubernetes takes, whatever a release is called; on, n and 1 are
// no strings in YAML unless they are quoted.
func TestNames(t *testing.T) {
	long := strings.Repeat("long-", 10) + "abc"
	for release, want := range map[string][3]string{
		"seppen":      {"seppen-operator", "seppen-test"},
		"snow":        {"snow-seppen-operator", "snow-seppen-test"},
		"my-seppen-2": {"my-seppen-2-operator", "my-seppen-2-test"},
		"1.2":         {"r1-2-seppen-operator", "r1-2-seppen-test"},
		"1":           {"yes", "yes-test", "yes"},
		long:          {"long-long-long-long-long-long-l-operator", "long-long-long-long-long-long-l-test"},
	} {
		t.Run(release, func(t *testing.T) {
			all := parse(t, must(t, "", "helm", "template", release, chart, "--namespace=on", "--set-string=watchNamespaces={n,1}", "--set-string=fullnameOverride="+want[2]))
			find[appsv1.Deployment](t, all, "Deployment on/"+want[0])
			find[rbacv1.RoleBinding](t, all, "RoleBinding 1/"+want[0])
			if !slices.Contains(all.ids(), "SeppenCluster n/"+want[1]) {
				t.Errorf("no cluster %s in %q", want[1], all.ids())
			}
		})
	}
}

func operator(t *testing.T, all objects, name string) (*appsv1.Deployment, corev1.Container) {
	t.Helper()
	d := find[appsv1.Deployment](t, all, "Deployment seppen-system/"+name)
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%d containers", n)
	}
	return d, d.Spec.Template.Spec.Containers[0]
}

func TestArguments(t *testing.T) {
	const digest = "registry.example.com:5000/team/seppen@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, c := range map[string]struct {
		set, operator string
		args          []string
		image         string
		want          []string
	}{
		"default": {
			set: "default", operator: "seppen-operator", image: "ghcr.io/eiri/seppen:0.1.0",
			want: []string{
				"operator", "--node-image=ghcr.io/eiri/seppen:0.1.0", "--leader-elect=true", "--metrics-listen=:8080",
				"--health-listen=:8081", "--log-format=json", "--log-level=info", "--concurrency=4",
			},
		},
		"objects": {
			set: "objects", operator: "snow-maker", image: digest,
			want: []string{
				"operator", "--node-image=registry.example.com:5000/team/seppen:1.2.2", "--leader-elect=true",
				"--metrics-listen=:9090", "--health-listen=:9091", "--log-format=text", "--log-level=debug",
				"--concurrency=2", "--watch-namespaces=snow,ice", "--leader-election-namespace=ice",
			},
		},
		"no metrics, nodes of the digest": {
			set: "everything", operator: "snow-maker", args: []string{"--set=nodeImage="}, image: digest,
			want: []string{
				"operator", "--node-image=" + digest, "--leader-elect=true", "--metrics-listen=0", "--health-listen=:9091",
				"--log-format=text", "--log-level=debug", "--concurrency=2", "--watch-namespaces=snow,ice",
				"--leader-election-namespace=ice",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, container := operator(t, render(t, c.set, c.args...), c.operator)
			if container.Image != c.image {
				t.Errorf("image %s", container.Image)
			}
			if diff := cmp.Diff(c.want, container.Args); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Go's collector is told of the limit if there is one: without it Kubernetes would name
// the machine's memory.
func TestMemoryLimit(t *testing.T) {
	for set, want := range map[string]bool{"default": true, "objects": true, "nothing": false} {
		name := map[bool]string{true: "snow-maker", false: "seppen-operator"}[set == "objects"]
		_, container := operator(t, render(t, set), name)
		got := slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool {
			return e.Name == "GOMEMLIMIT" && e.ValueFrom.ResourceFieldRef.Resource == "limits.memory"
		})
		if got != want {
			t.Errorf("%s: GOMEMLIMIT %v", set, got)
		}
	}
}

// What else the values say arrives in the pod.
func TestEverythingArrives(t *testing.T) {
	all := render(t, "objects")
	d, container := operator(t, all, "snow-maker")
	pod := d.Spec.Template.Spec
	got := map[string]any{
		"replicas": *d.Spec.Replicas, "strategy": d.Spec.Strategy, "priority": pod.PriorityClassName,
		"account": pod.ServiceAccountName, "secrets": pod.ImagePullSecrets, "pull": container.ImagePullPolicy,
		"user": *pod.SecurityContext.RunAsUser, "seccomp": container.SecurityContext.SeccompProfile.Type,
		"selector": pod.NodeSelector, "tolerations": len(pod.Tolerations), "spread": len(pod.TopologySpreadConstraints),
		"affinity": pod.Affinity.PodAntiAffinity != nil, "note": d.Spec.Template.Annotations["example.com/note"],
		"mesh": d.Spec.Template.Labels["example.com/mesh"], "team": d.Spec.Template.Labels["example.com/team"],
		"env": container.Env[len(container.Env)-1].Name, "memory": container.Resources.Limits.Memory().String(),
		"ports": []int32{container.Ports[0].ContainerPort, container.Ports[1].ContainerPort},
	}
	want := map[string]any{
		"replicas": int32(2), "strategy": appsv1.DeploymentStrategy{Type: "Recreate"}, "priority": "system-cluster-critical",
		"account": "other", "secrets": []corev1.LocalObjectReference{{Name: "registry"}}, "pull": corev1.PullAlways,
		"user": int64(1000), "seccomp": corev1.SeccompProfileTypeRuntimeDefault,
		"selector": map[string]string{"kubernetes.io/os": "linux"}, "tolerations": 1, "spread": 1,
		"affinity": true, "note": "six arms", "mesh": "off", "team": "cache",
		"env": "MACHINE", "memory": "1Gi", "ports": []int32{9090, 9091},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, o := range all {
		if o.GetLabels()["example.com/team"] != "cache" {
			t.Errorf("%s lacks the common label", id(o))
		}
	}
}

// Everything that selects pods selects the operator's, and not those of helm test; the
// labels by which nodes let the operator in cannot be changed by accident.
func TestSelectors(t *testing.T) {
	for _, set := range []string{"default", "objects"} {
		name := map[bool]string{true: "snow-maker", false: "seppen-operator"}[set == "objects"]
		all := render(t, set)
		d, _ := operator(t, all, name)
		labels := d.Spec.Template.Labels
		if !contains(labels, map[string]string{"app.kubernetes.io/name": "seppen", "app.kubernetes.io/component": "operator", "app.kubernetes.io/instance": "seppen"}) {
			t.Errorf("%s: the nodes would not let in %v", set, labels)
		}
		service := find[corev1.Service](t, all, "Service seppen-system/"+name+"-metrics")
		selectors := map[string]map[string]string{"Deployment": d.Spec.Selector.MatchLabels, "Service": service.Spec.Selector}
		var test map[string]string
		for _, o := range all {
			selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
			switch o.GetKind() {
			case "Pod":
				test = o.GetLabels()
			case "PodDisruptionBudget":
				selectors[o.GetKind()] = selector
			case "NetworkPolicy":
				selectors[o.GetKind()], _, _ = unstructured.NestedStringMap(o.Object, "spec", "podSelector", "matchLabels")
			case "ServiceMonitor":
				if !contains(service.Labels, selector) {
					t.Errorf("%s: the ServiceMonitor does not select the Service", set)
				}
			}
		}
		for kind, selector := range selectors {
			if !contains(labels, selector) || contains(test, selector) {
				t.Errorf("%s: the %s selects %v", set, kind, selector)
			}
		}
	}
}

func TestNetworkPolicy(t *testing.T) {
	all := render(t, "objects")
	p := find[networkingv1.NetworkPolicy](t, all, "NetworkPolicy seppen-system/snow-maker")
	if rules := p.Spec.Ingress; len(rules) != 1 || rules[0].Ports[0].Port.IntValue() != 9090 || len(rules[0].From) != 1 {
		t.Errorf("metrics are for %+v", rules)
	}
	p = find[networkingv1.NetworkPolicy](t, render(t, "nothing"), "NetworkPolicy seppen-system/seppen-operator")
	if len(p.Spec.Ingress) != 0 || !slices.Equal(p.Spec.PolicyTypes, []networkingv1.PolicyType{"Ingress"}) {
		t.Errorf("without metrics %+v may come in", p.Spec.Ingress)
	}
}

// The definition is config/crd's; an uninstallation leaves it unless it is told not to.
func TestDefinition(t *testing.T) {
	const name, policy = "CustomResourceDefinition seppenclusters.seppen.io", "helm.sh/resource-policy"
	want := readObject[apiextensionsv1.CustomResourceDefinition](t, "config/crd/bases/seppen.io_seppenclusters.yaml")
	got := find[apiextensionsv1.CustomResourceDefinition](t, render(t, "default"), name)
	if diff := cmp.Diff(want.Spec, got.Spec); diff != "" {
		t.Errorf("-config +chart:\n%s", diff)
	}
	if got.Annotations[policy] != "keep" || got.Annotations["controller-gen.kubebuilder.io/version"] == "" {
		t.Errorf("annotations %v", got.Annotations)
	}
	got = find[apiextensionsv1.CustomResourceDefinition](t, render(t, "default", "--set=crds.keep=false"), name)
	if _, kept := got.Annotations[policy]; kept {
		t.Error("it is kept in any case")
	}
}

// everything.yaml is what its name says.
func TestEverythingIsEverything(t *testing.T) {
	preset, set := readValues(t, chart+"/values.yaml"), readValues(t, "testdata/everything.yaml")
	var walk func(path string, preset, set any)
	walk = func(path string, preset, set any) {
		group, isGroup := preset.(map[string]any)
		if !isGroup || len(group) == 0 {
			if fmt.Sprint(preset) == fmt.Sprint(set) || set == nil && preset == nil {
				t.Errorf("%s is as it is without everything.yaml: %v", path, set)
			}
			return
		}
		values, _ := set.(map[string]any)
		switch path { // mappings that are passed on as a whole
		case ".resources", ".strategy", ".podSecurityContext", ".securityContext":
			if len(values) == 0 {
				t.Errorf("%s is not set", path)
			}
			return
		}
		for key, p := range group {
			walk(path+"."+key, p, values[key])
		}
	}
	walk("", preset, set)
}

func readValues(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]any)
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestRules(t *testing.T) {
	for _, set := range []string{"default", "namespaces"} {
		all := render(t, set)
		for name, file := range map[string]string{
			"seppen-operator":                      "role.yaml",
			"seppen-operator-seppencluster-admin":  "seppencluster_admin_role.yaml",
			"seppen-operator-seppencluster-editor": "seppencluster_editor_role.yaml",
			"seppen-operator-seppencluster-viewer": "seppencluster_viewer_role.yaml",
		} {
			want, got := readObject[rbacv1.ClusterRole](t, "config/rbac/"+file), find[rbacv1.ClusterRole](t, all, "ClusterRole "+name)
			if diff := cmp.Diff(want.Rules, got.Rules); diff != "" {
				t.Errorf("%s of %s: -config +chart:\n%s", name, set, diff)
			}
			for label, value := range want.Labels {
				if strings.HasPrefix(label, "rbac.") && got.Labels[label] != value {
					t.Errorf("%s of %s lacks %s", name, set, label)
				}
			}
		}
		want := readObject[rbacv1.Role](t, "config/rbac/leader_election_role.yaml")
		got := find[rbacv1.Role](t, all, "Role seppen-system/seppen-operator-leader-election")
		if diff := cmp.Diff(want.Rules, got.Rules); diff != "" {
			t.Errorf("lease of %s: -config +chart:\n%s", set, diff)
		}
	}
}
