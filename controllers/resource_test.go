package controllers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, kubetest.WithControllers())) }

// manifest is a SeppenCluster as a person writes it; spec is in YAML's short form.
func manifest(name, spec string) string {
	return fmt.Sprintf("apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata:\n  name: %s\nspec: %s\n", name, spec)
}

// get returns a cluster as it is stored.
func get(t *testing.T, kube *kubetest.Kube, namespace, name string) *v1alpha1.SeppenCluster {
	t.Helper()
	c := &v1alpha1.SeppenCluster{}
	if err := kube.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// What kubectl apply stores is what seppen local -f reads from the same file.
func TestStoredAsReadFromTheFile(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	sample, err := os.ReadFile("../config/samples/seppencluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for what, file := range map[string]string{
		"the sample":          string(sample),
		"everything":          everything,
		"a name of 40":        manifest(strings.Repeat("a", 40), "{}"),
		"the least":           manifest("least", "{shards: 1, copies: 1, memoryLimit: 1Mi, valueSizeLimit: 1}"),
		"the most":            manifest("most", "{shards: 256, copies: 8}"),
		"ranges":              manifest("ranges", "{ranges: [a-0-169, b-85-255, c-170-84]}"),
		"256 ranges":          manifest("many", "{ranges: ["+strings.Join(singles(), ", ")+"]}"),
		"ranges and defaults": manifest("both", "{shards: 3, copies: 2, ranges: [a-0-255, b-0-255]}"),
		"just enough memory":  manifest("enough", "{memoryLimit: 1Gi, resources: {limits: {memory: 1056Mi}}}"),
		"plain integers":      manifest("plain", "{memoryLimit: 1000000000, resources: {limits: {memory: 1033554432}}}"),
		"exponents":           manifest("exponents", "{memoryLimit: '1e9', resources: {limits: {memory: '1.1E9'}}}"),
		"decimal suffixes":    manifest("decimal", "{memoryLimit: 1G, resources: {limits: {memory: 1.1G}}}"),
		"other limits":        manifest("limits", "{memoryLimit: 1Gi, resources: {limits: {cpu: 1}, requests: {memory: 1Mi}}}"),
		"no more than it may": manifest("nomore", "{resources: {requests: {memory: 1Gi, cpu: 1}, limits: {memory: 1024Mi, cpu: 1000m}}}"),
		"resources, no more":  manifest("resources", "{memoryLimit: 1Gi, resources: {}}"),
		"no spread":           manifest("nospread", "{podTemplate: {spec: {topologySpreadConstraints: []}}}"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			want, err := v1alpha1.Decode("file", []byte(file))
			if err != nil {
				t.Fatal(err)
			}
			out := kube.MustRun(t, file, "-n", namespace, "apply", "-f", "-")
			if out != "seppencluster.seppen.io/"+want.Name+" created\n" {
				t.Errorf("kubectl said %q", out)
			}
			got := get(t, kube, namespace, want.Name)
			if diff := cmp.Diff(want.Spec, got.Spec); diff != "" {
				t.Errorf("-read from the file +stored:\n%s", diff)
			}
			again := kube.MustRun(t, file, "-n", namespace, "apply", "-f", "-")
			if !strings.HasSuffix(again, " unchanged\n") {
				t.Errorf("a second time kubectl said %q", again)
			}
		})
	}
}

// The defaults themselves, where Go's types could hide a difference.
func TestDefaults(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	const minimal = "{copies: 2, imagePullPolicy: IfNotPresent, shards: 3, valueSizeLimit: 64Mi}"
	for name, tt := range map[string]struct{ file, spec string }{
		"minimal":  {"apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata: {name: minimal}\n", minimal},
		"empty":    {manifest("empty", "{}"), minimal},
		"nothing":  {manifest("nothing", ""), minimal},
		"nested":   {manifest("nested", "{secretRef: {name: a}, service: {}}"), minimal[:len(minimal)-1] + ", secretRef: {name: a, key: secret}, service: {type: ClusterIP, port: 21285}}"},
		"explicit": {manifest("explicit", minimal), minimal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube.MustRun(t, tt.file, "-n", namespace, "apply", "-f", "-")
			want := parse(t, tt.spec)
			if diff := cmp.Diff(want, stored(t, kube, namespace, name)["spec"]); diff != "" {
				t.Errorf("-want +stored:\n%s", diff)
			}
			local, err := v1alpha1.Decode("file", []byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, fields(t, local)["spec"]); diff != "" {
				t.Errorf("-want +read from the file:\n%s", diff)
			}
		})
	}
}

func singles() []string {
	var out []string
	for i := range 256 {
		out = append(out, fmt.Sprintf("n-%d-%d", i, i))
	}
	return out
}

func fields(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(data))
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// stored is what the API server has of a cluster, untouched by Go's types.
func stored(t *testing.T, kube *kubetest.Kube, namespace, name string) map[string]any {
	t.Helper()
	return parse(t, kube.MustRun(t, "", "-n", namespace, "get", "seppen", name, "-o", "json"))
}

const everything = `
apiVersion: seppen.io/v1alpha1
kind: SeppenCluster
metadata:
  name: everything
  labels: {l: m}
spec:
  shards: 5
  copies: 3
  memoryLimit: 2Gi
  valueSizeLimit: 8Mi
  image: registry.example/seppen:v1
  imagePullPolicy: Always
  imagePullSecrets: [{name: pull}]
  resources:
    requests: {cpu: 500m, memory: 3Gi}
    limits: {memory: 3Gi}
  secretRef: {name: mine, key: token}
  service:
    type: LoadBalancer
    port: 80
    annotations: {example.com/a: b}
  podTemplate:
    metadata:
      labels: {a: b}
      annotations: {c: d}
    spec:
      nodeSelector: {disk: fast}
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            labelSelector: {matchLabels: {a: b}}
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}
      priorityClassName: high
      serviceAccountName: store
`

// What a person sees of a manifest that is wrong. Where seppen local takes it all the
// same, its own documentation says that it does not look at the field.
func TestRefusals(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	namespace := kube.Namespace(t)
	const (
		tooNear = "spec: Invalid value: memoryLimit must be at least 32Mi below resources.limits.memory: a node needs more than its keys and values"
		more    = "spec: Invalid value: resources.requests must not be above resources.limits: no pod could be made"
		instead = "spec: Invalid value: ranges takes the place of shards and copies: leave these two out"
		letters = "the name must be lower-case letters, digits and dashes and begin with a letter: a Service and the pods are called after it"
	)
	for what, tt := range map[string]struct {
		name, spec, say string
		localTakes      bool
	}{
		"0 shards":                  {spec: "{shards: 0}", say: "spec.shards: Invalid value: 0: spec.shards in body should be greater than or equal to 1"},
		"257 shards":                {spec: "{shards: 257}", say: "spec.shards: Invalid value: 257: spec.shards in body should be less than or equal to 256"},
		"0 copies":                  {spec: "{copies: 0}", say: "spec.copies: Invalid value: 0: spec.copies in body should be greater than or equal to 1"},
		"9 copies":                  {spec: "{copies: 9}", say: "spec.copies: Invalid value: 9: spec.copies in body should be less than or equal to 8"},
		"shards as text":            {spec: "{shards: three}", say: `spec.shards: Invalid value: "string": spec.shards in body must be of type integer: "string"`},
		"a name of 41":              {name: strings.Repeat("a", 41), spec: "{}", say: "the name is too long, at most 40 characters: a pod is called {name}-{lo}-{hi} and that must fit a DNS label"},
		"a name with a digit":       {name: "1a", spec: "{}", say: letters},
		"a name with a dot":         {name: "a.b", spec: "{}", say: letters},
		"a name with a dash":        {name: "1-a", spec: "{}", say: letters},
		"ranges and shards":         {spec: "{shards: 4, ranges: [a-0-255]}", say: instead},
		"ranges and copies":         {spec: "{copies: 1, ranges: [a-0-255]}", say: instead},
		"no ranges":                 {spec: "{ranges: []}", say: "spec.ranges: Invalid value: 0: spec.ranges in body should have at least 1 items"},
		"a range of no slots":       {spec: "{ranges: [a-0-256]}", say: `spec.ranges[0]: Invalid value: "a-0-256": spec.ranges[0] in body should match '`},
		"a range without a name":    {spec: "{ranges: [0-255]}", say: `spec.ranges[0]: Invalid value: "0-255": spec.ranges[0] in body should match '`},
		"a range with a zero":       {spec: "{ranges: [a-00-255]}", say: `spec.ranges[0]: Invalid value: "a-00-255": spec.ranges[0] in body should match '`},
		"a long range":              {spec: "{ranges: [" + strings.Repeat("a", 43) + "-0-255]}", say: "spec.ranges[0]: Too long: may not be more than 48 bytes"},
		"a range twice":             {spec: "{ranges: [a-0-255, a-0-255]}", say: `spec.ranges[1]: Duplicate value: "a-0-255"`},
		"little memory":             {spec: "{memoryLimit: 1048575}", say: "spec.memoryLimit: Invalid value: 1048575: must be at least 1Mi"},
		"no memory":                 {spec: "{memoryLimit: -1Gi}", say: `spec.memoryLimit: Invalid value: "-1Gi": must be at least 1Mi`},
		"memory in words":           {spec: "{memoryLimit: much}", say: `spec.memoryLimit: Invalid value: "much"`},
		"memory too near":           {spec: "{memoryLimit: 1Gi, resources: {limits: {memory: 1055Mi}}}", say: tooNear},
		"above":                     {spec: "{memoryLimit: 2Gi, resources: {limits: {memory: 1Gi}}}", say: tooNear},
		"too near, integers":        {spec: "{memoryLimit: 1000000000, resources: {limits: {memory: 1033554431}}}", say: tooNear},
		"too near, one an integer":  {spec: "{memoryLimit: 1000000000, resources: {limits: {memory: 1G}}}", say: tooNear},
		"too near, exponents":       {spec: "{memoryLimit: '1e9', resources: {limits: {memory: '1e9'}}}", say: tooNear},
		"too near, a bare exponent": {spec: "{memoryLimit: 1e9, resources: {limits: {memory: 1e9}}}", say: tooNear},
		"too near, suffixes":        {spec: "{memoryLimit: 1G, resources: {limits: {memory: 1033M}}}", say: tooNear},
		"too near, mixed suffixes":  {spec: "{memoryLimit: 1Gi, resources: {limits: {memory: 1.1G}}}", say: tooNear},
		"too near, thousandths":     {spec: "{memoryLimit: 1G, resources: {limits: {memory: 1000000000000m}}}", say: tooNear},
		"more memory than it may":   {spec: "{resources: {requests: {memory: 4Gi}, limits: {memory: 2Gi}}}", say: more},
		"a byte more":               {spec: "{resources: {requests: {memory: 1073741825}, limits: {memory: 1024Mi}}}", say: more},
		"more memory, text":         {spec: "{resources: {requests: {memory: '1.1e9'}, limits: {memory: 1G}}}", say: more},
		"more of a processor":       {spec: "{resources: {requests: {cpu: 2}, limits: {cpu: 1900m}}}", say: more},
		"more of a disk":            {spec: "{resources: {requests: {ephemeral-storage: 2Gi}, limits: {ephemeral-storage: 2G}}}", say: more},
		"no value":                  {spec: "{valueSizeLimit: 0}", say: "spec.valueSizeLimit: Invalid value: 0: must be more than nothing"},
		"a negative value":          {spec: "{valueSizeLimit: -1Mi}", say: `spec.valueSizeLimit: Invalid value: "-1Mi": must be more than nothing`},
		"an empty image":            {spec: "{image: ''}", say: "spec.image: Invalid value: \"\": spec.image in body should be at least 1 chars long", localTakes: true},
		"a pull policy":             {spec: "{imagePullPolicy: Sometimes}", say: `spec.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`, localTakes: true},
		"a secret without a name":   {spec: "{secretRef: {}}", say: "spec.secretRef.name: Required value", localTakes: true},
		"a secret with none":        {spec: "{secretRef: {name: ''}}", say: `spec.secretRef.name: Invalid value: "": spec.secretRef.name in body should be at least 1 chars long`, localTakes: true},
		"a secret's empty key":      {spec: "{secretRef: {name: a, key: ''}}", say: `spec.secretRef.key: Invalid value: "": spec.secretRef.key in body should be at least 1 chars long`, localTakes: true},
		"port 0":                    {spec: "{service: {port: 0}}", say: "spec.service.port: Invalid value: 0: spec.service.port in body should be greater than or equal to 1", localTakes: true},
		"port 65536":                {spec: "{service: {port: 65536}}", say: "spec.service.port: Invalid value: 65536: spec.service.port in body should be less than or equal to 65535", localTakes: true},
		"a service's type":          {spec: "{service: {type: ExternalName}}", say: `spec.service.type: Unsupported value: "ExternalName": supported values: "ClusterIP", "NodePort", "LoadBalancer"`, localTakes: true},
		"an unknown field":          {spec: "{shard: 3}", say: `unknown field "spec.shard"`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if tt.name == "" {
				tt.name = "x"
			}
			file := manifest(tt.name, tt.spec)
			_, err := kube.Run(t, file, "-n", namespace, "apply", "-f", "-")
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("kubectl said: %v\nnot: %s", err, tt.say)
			}
			if _, err := v1alpha1.Decode("file", []byte(file)); (err == nil) != tt.localTakes {
				t.Errorf("seppen local: %v", err)
			}
		})
	}
}
