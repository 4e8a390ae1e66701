package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the schema refuses is said so that its author finds it.
func TestValuesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ values, want string }{
		"misspelt":               {"replica: 2", "additional properties 'replica' not allowed"},
		"misspelt in a group":    {"image: {tags: v1}", "at '/image': additional properties 'tags' not allowed"},
		"misspelt in resources":  {"resources: {limit: {}}", "at '/resources': additional properties 'limit' not allowed"},
		"number as text":         {`replicas: "2"`, "at '/replicas': got string, want integer"},
		"fraction":               {"concurrency: 1.5", "at '/concurrency': got number, want integer"},
		"too few":                {"concurrency: 0", "at '/concurrency': minimum: got 0, want 1"},
		"port":                   {"metrics: {port: 70000}", "at '/metrics/port': maximum: got 70,000, want 65,535"},
		"tag that YAML makes 1":  {"image: {tag: 1.0}", "at '/image/tag': got number, want string"},
		"tag in the repository":  {"image: {repository: example.com/seppen:1}", "at '/image/repository': 'example.com/seppen:1' does not match pattern"},
		"short digest":           {"image: {digest: sha256:12}", "at '/image/digest': 'sha256:12' does not match pattern"},
		"node image with blanks": {"nodeImage: a b", "at '/nodeImage': 'a b' does not match pattern"},
		"pull policy":            {"image: {pullPolicy: always}", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"},
		"secret by its name":     {"image: {pullSecrets: [registry]}", "at '/image/pullSecrets/0': got string, want object"},
		"namespaces as text":     {"watchNamespaces: a,b", "at '/watchNamespaces': got string, want array"},
		"no namespace":           {"watchNamespaces: [a_b]", "at '/watchNamespaces/0': 'a_b' does not match pattern"},
		"a namespace twice":      {"watchNamespaces: [a, a]", "at '/watchNamespaces': items at 0 and 1 are equal"},
		"log level":              {"log: {level: loud}", "at '/log/level': value must be one of 'debug', 'info', 'warn', 'error'"},
		"argument without --":    {"extraArgs: [operator]", "at '/extraArgs/0': 'operator' does not match pattern"},
		"variable without name":  {"extraEnv: [{value: a}]", "at '/extraEnv/0': missing property 'name'"},
		"label that is no text":  {"podLabels: {a: true}", "at '/podLabels/a': got boolean, want string"},
		"yes as text":            {`crds: {keep: "yes"}`, "at '/crds/keep': got string, want boolean"},
		"interval":               {"metrics: {serviceMonitor: {interval: 30}}", "at '/metrics/serviceMonitor/interval': got number, want string"},
		"percentage":             {"podDisruptionBudget: {maxUnavailable: half}", "at '/podDisruptionBudget/maxUnavailable'"},
		"name with a capital":    {"fullnameOverride: Seppen", "at '/fullnameOverride': 'Seppen' does not match pattern"},
		"strategy":               {"strategy: {type: Rolling}", "at '/strategy/type': value must be one of 'RollingUpdate', 'Recreate'"},
		"one port for two":       {"healthPort: 8080", "healthPort and metrics.port are both 8080: the operator needs two ports"},
		"affinity of a pod":      {"affinity: {podAfinity: {}}", "at '/affinity': additional properties 'podAfinity' not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderWith(t, c.values)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestValuesAreAccepted(t *testing.T) {
	for name, values := range map[string]string{
		"what a chart above shares": "global: {storageClass: fast}",
		"a registry with a port":    "image: {repository: localhost:5000/seppen}",
		"an image without a path":   "image: {repository: seppen, tag: dev}",
		"no memory limit":           "resources: {limits: {memory: null}}",
		"cpu as a number":           "resources: {limits: {cpu: 0.5}}",
		"nobody in particular":      "podSecurityContext: {runAsUser: null, runAsGroup: null}",
		"a port without metrics":    "{healthPort: 8080, metrics: {enabled: false}}",
		"one of several":            "podDisruptionBudget: {enabled: true, maxUnavailable: 1}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := renderWith(t, values); err != nil {
				t.Error(err)
			}
		})
	}
}

func renderWith(t *testing.T, values string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := run(t, "", "helm", "template", "seppen", chart, "--values="+file)
	return out, err
}

// An older Kubernetes would ignore ordinals.start and give pods other names.
func TestKubernetesVersion(t *testing.T) {
	for version, ok := range map[string]bool{"1.30.9": false, "1.31.0": true, "1.31.4-gke.1372000": true, "1.37.2": true} {
		_, _, err := run(t, "", "helm", "template", "seppen", chart, "--kube-version="+version)
		if (err == nil) != ok {
			t.Errorf("%s: %v", version, err)
		}
	}
}
