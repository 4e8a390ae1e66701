package apply_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/apply"
)

func zero(o client.Object) client.Object {
	return reflect.New(reflect.TypeOf(o).Elem()).Interface().(client.Object)
}

// Each kind, with every field that the API server fills in, allocates, sorts or writes
// in another way than it was given.
var kinds = map[string]string{
	"StatefulSet": `
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: snow-0
  labels: {app: snow}
  annotations: {note: made}
spec:
  replicas: 1
  serviceName: snow-nodes
  ordinals: {start: 169}
  podManagementPolicy: Parallel
  revisionHistoryLimit: 1
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: snow, node: snow-0-169}}
  template:
    metadata:
      labels: {app: snow, node: snow-0-169}
      annotations: {a: b}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      serviceAccountName: store
      terminationGracePeriodSeconds: 90
      priorityClassName: ""
      nodeSelector: {disk: fast}
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      imagePullSecrets: [{name: pull}]
      tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 0}]
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 1
            podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {}, namespaceSelector: {}}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: snow}}, matchLabelKeys: [x]}
      containers:
      - name: node
        image: registry.example/seppen:v1
        args: [node, --memory-limit=1Gi]
        env:
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: EMPTY}
        - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        ports: [{name: rest, containerPort: 21285}, {name: peer, containerPort: 21286, protocol: TCP}]
        resources:
          requests: {cpu: 1000m, memory: 1024Mi, ephemeral-storage: "0.5"}
          limits: {memory: "2147483648"}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        startupProbe: {httpGet: {path: /healthz, port: 21287}, failureThreshold: 60}
        livenessProbe: {httpGet: {path: /healthz, port: admin}, initialDelaySeconds: 0}
        readinessProbe: {httpGet: {path: /readyz, port: 21287}, periodSeconds: 2}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
        volumeMounts: [{name: secret, mountPath: /secret, readOnly: true}, {name: tmp, mountPath: /tmp}]
      volumes:
      - {name: secret, secret: {secretName: snow-secret, items: [{key: secret, path: secret}], defaultMode: 288}}
      - {name: tmp, emptyDir: {}}
`,
	"headless Service": `
apiVersion: v1
kind: Service
metadata: {name: snow-nodes}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app: snow}
  ports: [{name: rest, port: 21285, targetPort: rest, appProtocol: http}, {name: peer, port: 21286, targetPort: 21286}]
`,
	"ClusterIP Service": `
apiVersion: v1
kind: Service
metadata: {name: snow, annotations: {a: b}}
spec: {selector: {app: snow}, ports: [{name: rest, port: 80, targetPort: 21285}]}
`,
	"LoadBalancer Service": `
apiVersion: v1
kind: Service
metadata: {name: snow-lb}
spec: {type: LoadBalancer, selector: {app: snow}, ports: [{name: rest, port: 80, targetPort: 21285, protocol: TCP}]}
`,
	"PodDisruptionBudget": `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: snow}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: snow}}, unhealthyPodEvictionPolicy: AlwaysAllow}
`,
	"PodDisruptionBudget of none": `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: snow-one}
spec: {maxUnavailable: 0, selector: {}}
`,
	"NetworkPolicy": `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: snow}
spec:
  podSelector: {matchLabels: {app: snow}}
  policyTypes: [Ingress]
  ingress:
  - ports: [{port: 21286}]
    from:
    - podSelector: {matchLabels: {app: snow}}
    - {podSelector: {matchLabels: {app: operator}}, namespaceSelector: {}}
  - ports: [{port: 21285, protocol: TCP}, {port: 21287}]
  - {}
`,
	"NetworkPolicy of nothing": `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: []}
`,
}

func TestSecondApplySendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, text := range kinds {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			want := b.want(text)
			original := want.DeepCopyObject()
			if !b.apply(want) {
				t.Error("the first apply wrote nothing")
			}
			made := b.have(want)
			if !metav1.IsControlledBy(made, b.cluster) || made.GetAnnotations()[apply.Applied] == "" {
				t.Errorf("it has the owners %v and the annotations %v", made.GetOwnerReferences(), made.GetAnnotations())
			}
			b.settled(want)
			b.untouched(made)
			if diff := cmp.Diff(original, want); diff != "" {
				t.Errorf("the wanted object was changed (-before +after):\n%s", diff)
			}
		})
	}
}

const service = `
apiVersion: v1
kind: Service
metadata: {name: snow, labels: {l: "1"}, annotations: {a: b}}
spec: {selector: {app: snow}, ports: [{name: rest, port: 80, targetPort: 1}, {name: more, port: 81, targetPort: 2}]}
`

// What others do to an object, and whether that is put back.
func TestEditsOfOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ object, edit string }{
		"a field":               {service, "spec: {sessionAffinity: None, selector: {app: rain}}"},
		"a label":               {service, "metadata: {labels: {l: null}}"},
		"an annotation":         {service, "metadata: {annotations: {a: c}}"},
		"the hash":              {service, "metadata: {annotations: {seppen.io/applied: null}}"},
		"an element is gone":    {service, "spec: {ports: [{name: rest, port: 80, targetPort: 1}]}"},
		"an element's field":    {service, "spec: {ports: [{name: rest, port: 80, targetPort: 9}, {name: more, port: 81, targetPort: 2}]}"},
		"the order of elements": {service, "spec: {ports: [{name: more, port: 81, targetPort: 2}, {name: rest, port: 80, targetPort: 1}]}"},
		"the replicas":          {kinds["StatefulSet"], "spec: {replicas: 0}"},
		"the update strategy":   {kinds["StatefulSet"], "spec: {updateStrategy: {type: RollingUpdate}}"},
		"an empty selector": {kinds["NetworkPolicy"], `spec: {ingress: [{ports: [{port: 21286}], from: [{podSelector: {matchLabels: {app: snow}}},
			{podSelector: {matchLabels: {app: operator}}}]}, {ports: [{port: 21285, protocol: TCP}, {port: 21287}]}, {}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			want := b.want(tt.object)
			before := b.applied(want)
			edited := before.DeepCopyObject().(client.Object)
			b.patch(edited, tt.edit)
			if edited.GetResourceVersion() == before.GetResourceVersion() {
				t.Fatal("the edit does nothing")
			}
			if !b.apply(want) {
				t.Error("nothing was written")
			}
			now := b.have(want)
			if diff := cmp.Diff(withoutVersions(t, before), withoutVersions(t, now)); diff != "" {
				t.Errorf("not put back (-before +now):\n%s", diff)
			}
			b.settled(want)
		})
	}
}

func TestAdditionsOfOthersStay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ object, edit string }{
		"a label":        {service, "metadata: {labels: {theirs: x}}"},
		"an annotation":  {service, "metadata: {annotations: {theirs: x}}"},
		"a finalizer":    {service, "metadata: {finalizers: [example.com/theirs]}"},
		"a port":         {service, "spec: {ports: [{name: theirs, port: 79, targetPort: 5}, {name: rest, port: 80, targetPort: 1}, {name: theirs2, port: 82, targetPort: 6}, {name: more, port: 81, targetPort: 2}]}"},
		"a field":        {service, "spec: {sessionAffinity: ClientIP}"},
		"a pod's label":  {kinds["StatefulSet"], "spec: {template: {metadata: {labels: {theirs: x}}}}"},
		"a policy's way": {kinds["NetworkPolicy of nothing"], "spec: {ingress: [{}]}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			want := b.want(tt.object)
			o := b.applied(want)
			b.patch(o, tt.edit)
			b.settled(want)
			b.untouched(o)
			b.patch(o, "metadata: {finalizers: null}")
		})
	}
}

// An addition also stays when something else is put back.
func TestAdditionsOutliveAnApply(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := b.want(service)
	b.patch(b.applied(want), "metadata: {labels: {theirs: x, l: '2'}, annotations: {theirs: x}}")
	b.apply(want)
	now := b.have(want)
	if diff := cmp.Diff(map[string]string{"l": "1", "theirs": "x"}, now.GetLabels()); diff != "" {
		t.Error(diff)
	}
	if now.GetAnnotations()["theirs"] != "x" {
		t.Errorf("%v", now.GetAnnotations())
	}
}

// The same amount may be written in several ways.
func TestQuantities(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.apply(b.want(kinds["StatefulSet"]))
	same := strings.NewReplacer("cpu: 1000m", `cpu: "1"`, "1024Mi", "1Gi", `"0.5"`, "500m").Replace(kinds["StatefulSet"])
	if same == kinds["StatefulSet"] {
		t.Fatal("nothing was replaced")
	}
	b.settled(b.want(same))
}

func TestWhatIsNoLongerWantedGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.patch(b.applied(b.want(service)), "metadata: {labels: {theirs: x}}")
	less := b.want(`
apiVersion: v1
kind: Service
metadata: {name: snow}
spec: {selector: {app: snow}, ports: [{name: rest, port: 80, targetPort: 1}]}
`)
	if !b.apply(less) {
		t.Error("nothing was written")
	}
	now := b.have(less).(*corev1.Service)
	if diff := cmp.Diff(map[string]string{"theirs": "x"}, now.Labels); diff != "" {
		t.Error(diff)
	}
	if _, ok := now.Annotations["a"]; ok || len(now.Spec.Ports) != 1 {
		t.Errorf("left: %v, %v", now.Annotations, now.Spec.Ports)
	}
	b.settled(less)
}

// The changes that a person may make to spec.service.
func TestServiceChangesItsTypeAndPort(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const text = `
apiVersion: v1
kind: Service
metadata: {name: snow}
spec: {type: TYPE, selector: {app: snow}, ports: [{name: rest, port: PORT, targetPort: 21285}]}
`
	for _, step := range []struct {
		serviceType corev1.ServiceType
		port        string
		nodePort    bool
	}{
		{"ClusterIP", "80", false}, {"LoadBalancer", "80", true}, {"NodePort", "81", true}, {"ClusterIP", "81", false}, {"LoadBalancer", "82", true}, {"ClusterIP", "80", false},
	} {
		want := b.want(strings.NewReplacer("TYPE", string(step.serviceType), "PORT", step.port).Replace(text))
		now := b.applied(want).(*corev1.Service)
		if now.Spec.Type != step.serviceType || len(now.Spec.Ports) != 1 || now.Spec.Ports[0].NodePort > 0 != step.nodePort {
			t.Errorf("after %v: %v, %v", step, now.Spec.Type, now.Spec.Ports)
		}
		b.settled(want)
	}
}

// What the API server refuses is returned as such.
func TestRefusedChange(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := b.want(kinds["StatefulSet"])
	have := b.applied(want)
	want.(*appsv1.StatefulSet).Spec.ServiceName = "other"
	wrote, err := b.applier.Object(t.Context(), b.cluster, want, have)
	if wrote || !apierrors.IsInvalid(err) || !strings.HasPrefix(err.Error(), "apply StatefulSet snow-0: ") {
		t.Errorf("wrote: %v, %v", wrote, err)
	}
	b.untouched(have)

	bad := b.want(strings.ReplaceAll(service, "port: 80", "port: 0"))
	if wrote, err := b.applier.Object(t.Context(), b.cluster, bad, nil); wrote || !apierrors.IsInvalid(err) || errors.Is(err, apply.ErrForeign) {
		t.Errorf("wrote: %v, %v", wrote, err)
	}
}

// A nil pointer of a kind is nothing, too: maps of objects return such.
func TestNilOfAKind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var none *networkingv1.NetworkPolicy
	wrote, err := b.applier.Object(t.Context(), b.cluster, b.want(kinds["NetworkPolicy"]), none)
	if !wrote || err != nil {
		t.Errorf("wrote: %v, %v", wrote, err)
	}
}

// An object of ours that is being deleted is left to go.
func TestOursBeingDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := b.want(service)
	o := b.applied(want)
	b.patch(o, "metadata: {finalizers: [example.com/theirs], labels: {l: '2'}}")
	b.must(b.Delete(t.Context(), o))
	going := b.have(want)
	b.settled(want)
	b.untouched(going)
	b.patch(going, "metadata: {finalizers: null}")
	if !b.apply(want) {
		t.Error("it was not made again")
	}
}

func withoutVersions(t *testing.T, o client.Object) client.Object {
	t.Helper()
	o = o.DeepCopyObject().(client.Object)
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
	o.SetGeneration(0)
	return o
}
