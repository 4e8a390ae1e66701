package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// sampleNodes are the nodes of config/samples/seppencluster.yaml, by what its comment says.
var sampleNodes = []string{"sample-0-169", "sample-85-255", "sample-170-84"}

// sampleCluster is what a newcomer does: the sample as it is, and all of it.
func sampleCluster() *features.FeatureBuilder {
	c := cluster{"e2e-sample", "sample"}
	return features.New("sample").
		Setup(step(func(t *testing.T) { makeNamespace(t, c.namespace) })).
		Assess("is ready within a minute", step(func(t *testing.T) {
			kubectl(t, "apply", "--namespace", c.namespace, "-f", sample)
			c.isReady(t)
			// There is nothing in it, and the table says so: it has no empty cells.
			if _, row := table(t, kubectl(t, "get", "seppenclusters", "--namespace", c.namespace, "-o", "wide")); row["KEYS"] != "0" || row["READY"] != "3/3" {
				t.Errorf("kubectl get shows %v", row)
			}
		})).
		Assess("pods are called as their nodes", step(func(t *testing.T) {
			eventually(t, 10*time.Second, func() error { return c.hasPods(t.Context(), sampleNodes...) })
		})).
		Assess("pods are spread over the machines", step(c.isSpread)).
		Assess("pods are as safe as they can be", step(c.isSafe)).
		Assess("pods know their memory limit", step(c.knowsItsLimit)).
		Assess("only the cluster and the operator reach the peer port", step(c.hasNetworkPolicy)).
		Assess("every pod's name resolves", step(c.resolves)).
		Assess("a port-forward to the Service is the whole interface", step(func(t *testing.T) { c.speaksREST(t, c.forward(t, "service/sample")) })).
		Assess("each pod answers the same", step(c.answersTheSame)).
		Assess("seppen's own client works inside", step(c.worksInside)).
		Assess("the figures appear", step(c.showsFigures)).
		Assess("kubectl get shows them", step(c.showsColumns)).
		Assess("kubectl knows its short name", step(c.hasShortName))
}

func (c cluster) isSpread(t *testing.T) {
	machines := make(map[string]int)
	for _, p := range c.podsNow(t) {
		machines[p.Spec.NodeName]++
	}
	if counts := slices.Sorted(maps.Values(machines)); !slices.Equal(counts, []int{1, 2}) {
		t.Errorf("the pods are on these machines: %v", machines)
	}
}

var rootMount = regexp.MustCompile(`(?m)^\S+ / \S+ (r[ow])\b`)

// isSafe looks at what the kernel has, not only at what was asked for.
func (c cluster) isSafe(t *testing.T) {
	for name, p := range c.podsNow(t) {
		for _, v := range p.Spec.Volumes {
			if v.Secret == nil || len(p.Spec.Volumes) > 1 {
				t.Errorf("%s has the volume %s, and needs none but the cluster's secret", name, v.Name)
			}
		}
		pid := processOf(t, p)
		mounts := proc(t, pid, "mounts")
		if strings.Contains(mounts, "/serviceaccount ") {
			t.Errorf("%s has a service account's token mounted", name)
		}
		if m := rootMount.FindStringSubmatch(mounts); m == nil || m[1] != "ro" {
			t.Errorf("%s can write to its root: %q", name, m)
		}
		status := proc(t, pid, "status")
		for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("%s runs without %q", name, want)
			}
		}
	}
}

var heapLimit = regexp.MustCompile(`(?m)^go_gc_gomemlimit_bytes (\S+)$`)

func (c cluster) knowsItsLimit(t *testing.T) {
	for name, p := range c.podsNow(t) {
		metrics := kubectl(t, "get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:21287/proxy/metrics", c.namespace, name))
		m := heapLimit.FindStringSubmatch(metrics)
		if m == nil {
			t.Errorf("%s does not say how much Go's heap may take", name)
			continue
		}
		heap, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if limit := p.Spec.Containers[0].Resources.Limits.Memory().AsApproximateFloat64(); heap >= limit {
			t.Errorf("%s: Go's heap may take %g bytes, the container %g", name, heap, limit)
		}
	}
}

func (c cluster) hasNetworkPolicy(t *testing.T) {
	policy := &networkingv1.NetworkPolicy{}
	if err := get(t.Context(), c.namespace, c.name, policy); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			if port.Port == nil || port.Port.IntValue() != 21286 {
				continue
			}
			found = true
			if len(rule.From) != 2 || rule.From[1].NamespaceSelector == nil ||
				rule.From[1].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != operatorNamespace {
				t.Errorf("the peer port is open to %+v", rule.From)
			}
		}
	}
	if !found {
		t.Errorf("there is no rule for the peer port: %+v", policy.Spec.Ingress)
	}
}

// resolves looks up from a pod of another cluster's namespace, as clients may be anywhere.
func (c cluster) resolves(t *testing.T) {
	kubectl(t, "run", "dns", "--namespace", c.namespace, "--image=localhost/busybox:dev", "--image-pull-policy=Never",
		"--restart=Never", "--command", "--", "sleep", "1d")
	kubectl(t, "wait", "--namespace", c.namespace, "--for=condition=Ready", "pod/dns", "--timeout=60s")
	for name, p := range c.podsNow(t) {
		host := fmt.Sprintf("%s.sample-nodes.%s.svc", name, c.namespace)
		// busybox' nslookup wants the whole name; wget resolves the short one as programs do.
		inside := fmt.Sprintf("nslookup %s.cluster.local && timeout 5 wget -q -O - http://%s:21287/healthz", host, host)
		eventually(t, 40*time.Second, func() error {
			r := execute(t.Context(), "", "kubectl", "exec", "--namespace", c.namespace, "dns", "--", "sh", "-c", inside)
			if r.err == nil && !strings.Contains(r.out, p.Status.PodIP+"\n") {
				return fmt.Errorf("%s is not %s:\n%s", host, p.Status.PodIP, r.out)
			}
			return r.err
		})
	}
}

// speaksREST does what docs/rest.md says of each request.
func (c cluster) speaksREST(t *testing.T, s store) {
	secret := c.secret(t)
	const value, other = "six arms", "another six arms"
	put := s.must(t, http.StatusCreated, "PUT", "/snow/flake", value, "Content-Type", "text/plain")
	if got, want := put.header.Get("ETag"), etagOf(secret, value); got != want {
		t.Errorf("the ETag is %s, not %s", got, want)
	}
	get := s.must(t, http.StatusOK, "GET", "/snow/flake", "")
	if get.body != value || get.header.Get("ETag") != put.header.Get("ETag") || get.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %q with %v", get.body, get.header)
	}
	head := s.must(t, http.StatusOK, "HEAD", "/snow/flake", "")
	if head.header.Get("Content-Length") != fmt.Sprint(len(value)) || head.header.Get("ETag") != put.header.Get("ETag") {
		t.Errorf("HEAD has %v", head.header)
	}
	s.must(t, http.StatusNotModified, "GET", "/snow/flake", "", "If-None-Match", put.header.Get("ETag"))
	s.must(t, http.StatusPreconditionFailed, "PUT", "/snow/flake", other, "If-None-Match", "*")
	over := s.must(t, http.StatusNoContent, "PUT", "/snow/flake", other, "If-Match", put.header.Get("ETag"))
	if got, want := over.header.Get("ETag"), etagOf(secret, other); got != want {
		t.Errorf("the new value's ETag is %s, not %s", got, want)
	}
	if got := s.must(t, http.StatusOK, "GET", "/snow/flake", "").body; got != other {
		t.Errorf("the new value is %q", got)
	}
	s.must(t, http.StatusCreated, "PUT", "/snow/storm", value)
	s.must(t, http.StatusCreated, "PUT", "/rain", value)
	if got := s.must(t, http.StatusOK, "GET", "/?prefix=snow/", "").body; got != "snow/flake\nsnow/storm" {
		t.Errorf("the list is %q", got)
	}
	s.must(t, http.StatusNoContent, "DELETE", "/rain", "")
	s.must(t, http.StatusNotFound, "GET", "/rain", "")
}

// answersTheSame fills the store through one pod and reads it through each.
func (c cluster) answersTheSame(t *testing.T) {
	values := make(map[string]string)
	pods := slices.Sorted(maps.Keys(c.podsNow(t)))
	first := c.forward(t, "pod/"+pods[0])
	for i := range 30 {
		key, value := fmt.Sprintf("same/%02d", i), fmt.Sprintf("value %d of all pods", i)
		first.must(t, http.StatusCreated, "PUT", "/"+key, value)
		values[key] = value
	}
	list := strings.Join(slices.Sorted(maps.Keys(values)), "\n")
	secret := c.secret(t)
	for _, pod := range pods {
		s := c.forward(t, "pod/"+pod)
		if got := s.must(t, http.StatusOK, "GET", "/?prefix=same/", "").body; got != list {
			t.Errorf("%s lists %q", pod, got)
		}
		for key, value := range values {
			r := s.must(t, http.StatusOK, "GET", "/"+key, "")
			if r.body != value || r.header.Get("ETag") != etagOf(secret, value) {
				t.Errorf("%s: %s is %q, %s", pod, key, r.body, r.header.Get("ETag"))
			}
		}
	}
}

// worksInside runs the client verbs in pods of Seppen's own image.
func (c cluster) worksInside(t *testing.T) {
	const url = "--url=http://sample:21285"
	inside := func(input, name string, args ...string) string {
		t.Helper()
		command := []string{"run", name, "--namespace", c.namespace, "--image=" + image, "--image-pull-policy=Never", "--restart=Never"}
		if input != "" {
			command = append(command, "--stdin", "--attach")
		}
		if r := execute(t.Context(), input, "kubectl", slices.Concat(command, []string{"--"}, args, []string{url})...); r.err != nil {
			t.Fatal(r.err)
		}
		kubectl(t, "wait", "--namespace", c.namespace, "pod/"+name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
		return kubectl(t, "logs", "--namespace", c.namespace, name)
	}
	const value = "from within"
	if got, want := inside(value, "put", "put", "inside/key", "-"), etagOf(c.secret(t), value)+"\n"; got != want {
		t.Errorf("seppen put says %q, not %q", got, want)
	}
	if got := inside("", "get", "get", "inside/key"); got != value {
		t.Errorf("seppen get says %q", got)
	}
	if got := inside("", "ls", "ls", "inside/"); got != "inside/key\n" {
		t.Errorf("seppen ls says %q", got)
	}
}

// storedKeys are what the steps before left: 2 of snow/, 30 of same/, 1 of inside/.
const storedKeys = 33

func (c cluster) showsFigures(t *testing.T) {
	eventually(t, 20*time.Second, func() error {
		got, err := c.get(t.Context())
		if err != nil {
			return err
		}
		if got.Status.Keys != storedKeys || got.Status.Bytes == 0 || got.Status.Size == "" {
			return fmt.Errorf("%d keys of %d bytes, %q", got.Status.Keys, got.Status.Bytes, got.Status.Size)
		}
		return nil
	})
}

func (c cluster) showsColumns(t *testing.T) {
	plain := []string{"NAME", "SHARDS", "COPIES", "READY", "KEYS", "SIZE", "AGE"}
	columns, row := table(t, kubectl(t, "get", "seppenclusters", "sample", "--namespace", c.namespace))
	if !slices.Equal(columns, plain) {
		t.Errorf("the columns are %q", columns)
	}
	wide, wideRow := table(t, kubectl(t, "get", "seppenclusters", "sample", "--namespace", c.namespace, "-o", "wide"))
	if !slices.Equal(wide, slices.Concat(plain, []string{"STATE", "EPOCH", "MEMORY", "SECRET", "MESSAGE"})) {
		t.Errorf("the wide columns are %q", wide)
	}
	for column, want := range map[string]string{
		"NAME": "^sample$", "SHARDS": "^3$", "COPIES": "^2$", "READY": "^3/3$", "KEYS": fmt.Sprintf("^%d$", storedKeys),
		"SIZE": `^[1-9][0-9.]* (Ki)?B$`, "AGE": `^\d+[sm]`,
		"STATE": "^Serving$", "EPOCH": "^1$", "MEMORY": `^[0-9.]+ [KM]iB / [0-9.]+ GiB$`, "SECRET": "^sample-secret$",
		"MESSAGE": `^Every slot can be read and written\.$`,
	} {
		shown := wideRow
		if slices.Contains(plain, column) {
			shown = row
		}
		if !regexp.MustCompile(want).MatchString(shown[column]) {
			t.Errorf("%s is %q, not %s", column, shown[column], want)
		}
	}
}

// hasShortName: kubectl takes sc, the other one, for StorageClasses.
func (c cluster) hasShortName(t *testing.T) {
	r := execute(t.Context(), "", "kubectl", "get", "seppen", c.name, "--namespace", c.namespace, "-o", "name")
	if want := "seppencluster.seppen.io/" + c.name + "\n"; r.out != want || r.errors != "" {
		t.Errorf("kubectl get seppen %s: %s%s", c.name, r.out, r.errors)
	}
}

// table reads a table of one row that kubectl printed; columns are two blanks apart.
func table(t *testing.T, text string) (columns []string, row map[string]string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("not one row:\n%s", text)
	}
	apart := regexp.MustCompile(` {2,}`)
	columns = apart.Split(strings.TrimSpace(lines[0]), -1)
	cells := apart.Split(strings.TrimSpace(lines[1]), -1)
	if len(cells) != len(columns) {
		t.Fatalf("an empty cell:\n%s", text)
	}
	row = make(map[string]string)
	for i, column := range columns {
		row[column] = cells[i]
	}
	return columns, row
}
