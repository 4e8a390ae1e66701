package operator

import (
	"errors"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leaseName is the lease that the working operator holds.
const leaseName = "seppen-operator"

// lease is for how long the working operator is left alone, until when it has to renew that, and
// how often it tries.
type lease struct{ duration, renew, retry time.Duration }

func usualLease() lease {
	return lease{duration: 15 * time.Second, renew: 10 * time.Second, retry: 2 * time.Second}
}

// identity is that of a process. One that comes back after the API server was away holds the lease
// still, if nobody took it, and need not wait until it runs out.
func identity() (string, error) {
	host, err := os.Hostname()
	return host + "_" + string(uuid.NewUUID()), err
}

// lock is the lease as the operator of an identity sees it; nil: there is none to hold.
func (o *options) lock(config *rest.Config) (resourcelock.Interface, error) {
	if !o.leaderElect {
		return nil, nil
	}
	namespace, err := o.whereTheLeaseIs()
	if err != nil {
		return nil, err
	}
	return resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: o.identity}, config, o.lease.renew)
}

// namespaceFile is where a service account tells a pod's namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (o *options) whereTheLeaseIs() (string, error) {
	for _, namespace := range []string{o.leaseNamespace, os.Getenv(namespaceEnv)} {
		if namespace != "" {
			return namespace, nil
		}
	}
	if b, err := os.ReadFile(namespaceFile); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	return "", errors.New("the namespace of the lease is not known outside a pod: give --leader-election-namespace, or --leader-elect=false for an operator that is alone")
}
