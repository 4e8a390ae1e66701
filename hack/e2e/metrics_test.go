package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// metricsServer serves metrics.k8s.io, by which autoscalers learn what pods use, in place of
// a metrics-server: it asks the kubelets for the same figures.
type metricsServer struct{ *httptest.Server }

// hostOfNodes is this machine, as the Kubernetes cluster sees it.
const hostOfNodes = "10.200.0.1"

// serveMetrics makes it known to the API server, until the test ends.
func serveMetrics(t *testing.T) *metricsServer {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(hostOfNodes, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &metricsServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1", s.resources)
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", s.pods)
	s.Server = httptest.NewUnstartedServer(mux)
	s.Listener.Close()
	s.Listener = l
	s.StartTLS()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	apply(t, "kube-system", fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: e2e-metrics}
spec: {ports: [{name: https, port: 443, targetPort: %[1]s}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e2e-metrics, labels: {kubernetes.io/service-name: e2e-metrics}}
addressType: IPv4
ports: [{name: https, port: %[1]s}]
endpoints: [{addresses: [%[2]s], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {namespace: kube-system, name: e2e-metrics, port: 443}
`, port, hostOfNodes))
	kubectl(t, "wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=60s")
	return s
}

// withdraw takes it away again.
func (s *metricsServer) withdraw(t *testing.T) {
	t.Helper()
	kubectl(t, "delete", "apiservice", "v1beta1.metrics.k8s.io")
	kubectl(t, "delete", "--namespace", "kube-system", "service,endpointslice", "e2e-metrics", "--ignore-not-found")
	s.Close()
}

func (s *metricsServer) resources(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "metrics.k8s.io/v1beta1",
		APIResources: []metav1.APIResource{{Name: "pods", Namespaced: true, Kind: "PodMetrics", Verbs: []string{"get", "list"}}},
	})
}

func answerJSON(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(what) //nolint:errcheck,errchkjson // whoever asked sees it
}

// pods answers with the memory of all pods that a selector chooses.
func (s *metricsServer) pods(w http.ResponseWriter, r *http.Request) {
	namespace := r.PathValue("namespace")
	pods := &corev1.PodList{}
	if err := find(r.Context(), namespace, pods, r.URL.Query().Get("labelSelector")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	used, err := workingSets(r.Context(), pods)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	now := time.Now().UTC().Format(time.RFC3339)
	items := []any{}
	for i := range pods.Items {
		p := &pods.Items[i]
		if bytes := used[p.Namespace+"/"+p.Name]; bytes > 0 {
			items = append(items, map[string]any{
				"metadata":  map[string]any{"name": p.Name, "namespace": p.Namespace, "labels": p.Labels, "creationTimestamp": now},
				"timestamp": now, "window": "10s",
				"containers": []any{map[string]any{
					"name": p.Spec.Containers[0].Name, "usage": map[string]string{"cpu": "1m", "memory": strconv.FormatInt(bytes, 10)},
				}},
			})
		}
	}
	answerJSON(w, map[string]any{"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items})
}

var workingSet = regexp.MustCompile(`(?m)^pod_memory_working_set_bytes\{namespace="([^"]*)",pod="([^"]*)"\} (\S+)`)

// workingSets are what the kubelets of some pods say of them, in bytes.
func workingSets(ctx context.Context, pods *corev1.PodList) (map[string]int64, error) {
	out, asked := make(map[string]int64), make(map[string]bool)
	for i := range pods.Items {
		machine := pods.Items[i].Spec.NodeName
		if machine == "" || asked[machine] {
			continue
		}
		asked[machine] = true
		r := execute(ctx, "", "kubectl", "get", "--raw", "/api/v1/nodes/"+machine+"/proxy/metrics/resource")
		if r.err != nil {
			return nil, r.err
		}
		for _, m := range workingSet.FindAllStringSubmatch(r.out, -1) {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(m[3]), 64)
			if err != nil {
				return nil, err
			}
			out[m[1]+"/"+m[2]] = int64(bytes)
		}
	}
	return out, nil
}
