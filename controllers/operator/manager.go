package operator

import (
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers"
	"github.com/eiri/seppen/controllers/objects"
)

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// caches hold what the operator made and nothing else of its kind: a large Kubernetes
// has many thousand pods that are none of its business. Secrets and layouts are not
// cached at all.
func caches(namespaces []string) cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": objects.Manager})}
	o := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.StatefulSet{}: ours, &corev1.Pod{}: ours, &corev1.Service{}: ours,
			&policyv1.PodDisruptionBudget{}: ours, &networkingv1.NetworkPolicy{}: ours,
		},
	}
	if len(namespaces) > 0 {
		o.DefaultNamespaces = make(map[string]cache.Config, len(namespaces))
		for _, n := range namespaces {
			o.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return o
}

func newManager(config *rest.Config, o *options) (ctrl.Manager, *controllers.Reconciler, error) {
	lock, err := o.lock(config)
	if err != nil {
		return nil, nil, err
	}
	// One follows the other, with a controller of the same name.
	o.controller.SkipNameValidation = new(true)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:         scheme(),
		Cache:          caches(o.namespaces),
		MapperProvider: kinds,
		Metrics:        metricsserver.Options{BindAddress: none},

		// Metrics call the lease by its ID.
		LeaderElection: o.leaderElect, LeaderElectionID: leaseName,
		LeaderElectionResourceLockInterface: lock, LeaderElectionReleaseOnCancel: true,
		LeaseDuration: &o.lease.duration, RenewDeadline: &o.lease.renew, RetryPeriod: &o.lease.retry,

		Controller: o.controller,
	})
	if err != nil {
		return nil, nil, err
	}
	r := &controllers.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(objects.Manager),
		NodeImage: o.nodeImage, Namespace: os.Getenv(namespaceEnv), PeerPort: o.peerPort,
	}
	return mgr, r, r.SetupWithManager(mgr, o.concurrency)
}
