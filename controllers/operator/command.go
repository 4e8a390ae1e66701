// Package operator is `seppen operator`: it runs the reconciler of package controllers
// in a manager, with leader election, metrics and health.
package operator

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"

	"github.com/eiri/seppen/api/command"
)

// options are the command's flags as given.
type options struct {
	kubeconfig      string
	nodeImage       string
	namespaces      []string
	leaderElect     bool
	leaseNamespace  string
	metrics, health string
	log             command.Log
	concurrency     int

	identity string // of this process, as the holder of the lease
	lease    lease

	controller ctrlconfig.Controller // tests let panics through
	peerPort   int32                 // tests have another one than the usual
}

// namespaceEnv is where the downward API tells the operator's own namespace.
const namespaceEnv = "POD_NAMESPACE"

// Command is `seppen operator`. version is that of the program.
func Command(version string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Run the operator that makes SeppenClusters in Kubernetes",
		Long: `Run the operator: it makes the nodes of each SeppenCluster and is the author of
their layouts, until SIGTERM. Any number may run; the one that holds the lease works.

It finds the Kubernetes API as kubectl does (--kubeconfig, KUBECONFIG, ~/.kube/config),
and inside a pod by its service account. Every flag can be given as an environment
variable: --node-image is SEPPEN_NODE_IMAGE.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := command.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			return o.run(cmd.Context(), version)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the Kubernetes API")
	f.StringVar(&o.nodeImage, "node-image", "", "container image of nodes whose resource names none")
	f.StringSliceVar(&o.namespaces, "watch-namespaces", nil, "namespaces to look after; none: all")
	f.BoolVar(&o.leaderElect, "leader-elect", true, "work only while holding the lease seppen-operator")
	f.StringVar(&o.leaseNamespace, "leader-election-namespace", "", "where the lease is kept; empty: the pod's namespace")
	f.StringVar(&o.metrics, "metrics-listen", ":8080", "address of /metrics; 0: none")
	f.StringVar(&o.health, "health-listen", ":8081", "address of /healthz and /readyz; 0: none")
	o.log.Register(f)
	f.IntVar(&o.concurrency, "concurrency", 4, "clusters to work on at a time")
}

func (o *options) run(ctx context.Context, version string) error {
	log, err := o.log.Logger()
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(log.Handler()))
	if o.nodeImage == "" {
		log.Warn("no --node-image: a SeppenCluster without spec.image cannot start")
	}
	if o.concurrency < 1 {
		return fmt.Errorf("--concurrency %d: must be at least 1", o.concurrency)
	}
	config, err := o.config()
	if err != nil {
		return fmt.Errorf("find the Kubernetes API: %w", err)
	}
	config.UserAgent = "seppen-operator/" + version
	if o.identity, err = identity(); err != nil {
		return fmt.Errorf("find the name of this machine: %w", err)
	}
	o.lease = usualLease()
	log.Info("starting", "version", version, "api", config.Host, "node image", o.nodeImage)
	return o.serve(ctx, config)
}

func (o *options) config() (*rest.Config, error) {
	var config *rest.Config
	var err error
	if o.kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	} else {
		config, err = ctrl.GetConfig()
	}
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the API server's priority and fairness keeps order
	return config, nil
}
