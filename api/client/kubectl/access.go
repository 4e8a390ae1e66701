package kubectl

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/eiri/seppen/api/v1alpha1"
)

// access is how to reach Kubernetes.
type access struct {
	client.WithWatch
	namespace string // the one to look into
	logs      func(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error)
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	must(corev1.AddToScheme(s))
	must(v1alpha1.AddToScheme(s))
	return s
}

// connect follows kubectl's rules: the flags, KUBECONFIG, the file at home, the current
// context and its namespace.
func (p *plugin) connect() (*access, error) {
	if p.connected != nil {
		return p.connected, nil
	}
	log.SetLogger(logr.Discard()) // else its absence is complained of in the midst of our output
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &p.overrides)
	namespace, _, err := config.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	c, err := config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return open(c, namespace)
}

func open(c *rest.Config, namespace string) (*access, error) {
	c.QPS = -1 // the API server has its own way to slow down who asks much
	c.WarningHandler = rest.NewWarningWriter(os.Stderr, rest.WarningWriterOptions{Deduplicate: true})
	kube, err := client.NewWithWatch(c, client.Options{Scheme: scheme()})
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	set, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return &access{WithWatch: kube, namespace: namespace, logs: func(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
		return set.CoreV1().Pods(namespace).GetLogs(pod, o).Stream(ctx)
	}}, nil
}
