package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// deletion takes away what the operator made, and nothing else.
func deletion() *features.FeatureBuilder {
	made, own := cluster{"e2e-deletion", "made"}, cluster{"e2e-deletion", "own"}
	var before string
	return features.New("deletion").
		Setup(step(func(t *testing.T) {
			makeNamespace(t, made.namespace)
			kubectl(t, "create", "secret", "generic", "mine", "--namespace", made.namespace, "--from-literal=secret=mine")
			// Kubernetes puts a ConfigMap and a service account into every namespace.
			eventually(t, 30*time.Second, func() error {
				if before = made.everything(t); !strings.Contains(before, "kube-root-ca.crt") {
					return fmt.Errorf("there is only %s", before)
				}
				return nil
			})
			made.apply(t, small)
			own.apply(t, small+"\n  shards: 1\n  copies: 1\n  secretRef: {name: mine}")
			made.isReady(t)
			own.isReady(t)
		})).
		Assess("there is something to delete", step(func(t *testing.T) {
			for _, want := range []string{
				"statefulset.apps/made-0", "pod/made-0-169", "service/made", "service/made-nodes", "secret/made-secret",
				"configmap/made-layout", "poddisruptionbudget.policy/made", "networkpolicy.networking.k8s.io/made", "configmap/own-layout",
			} {
				if all := made.everything(t); !strings.Contains(all, want+"\n") {
					t.Errorf("there is no %s:\n%s", want, all)
				}
			}
		})).
		Assess("all of it goes, and a Secret of one's own stays", step(func(t *testing.T) {
			kubectl(t, "delete", "seppencluster", "made", "own", "--namespace", made.namespace)
			eventually(t, time.Minute, func() error {
				if now := made.everything(t); now != before {
					return fmt.Errorf("there is still\n%s\nand before there was\n%s", now, before)
				}
				return nil
			})
		}))
}

// everything in the cluster's namespace by kind and name, but events.
func (c cluster) everything(t *testing.T) string {
	return kubectl(t, "get", "--namespace", c.namespace, "-o", "name",
		"all,secrets,configmaps,serviceaccounts,endpointslices,poddisruptionbudgets,networkpolicies,controllerrevisions,persistentvolumeclaims,roles,rolebindings,leases")
}
