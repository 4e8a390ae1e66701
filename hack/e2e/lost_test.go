package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/eiri/seppen/api/layout"
)

func allCopiesLost() *features.FeatureBuilder {
	return losses("all copies lost", cluster{"e2e-all-copies", "both"}, small,
		[]string{"both-0-169", "both-85-255", "both-170-84"}, "170-255", "both-85-255", "both-170-84")
}

func onlyCopyLost() *features.FeatureBuilder {
	return losses("only copy lost", cluster{"e2e-only-copy", "single"}, small+"\n  shards: 3\n  copies: 1",
		[]string{"single-0-84", "single-85-169", "single-170-255"}, "85-169", "single-85-169")
}

// losses ends the processes of all nodes that have some slots. Their keys are lost; that is
// said, and the cluster is of use again.
func losses(name string, c cluster, spec string, nodes []string, slots string, gone ...string) *features.FeatureBuilder {
	var clients *load
	var status *seen
	return features.New(name).
		Setup(c.made(spec)).
		Assess("it is whole again by itself", step(func(t *testing.T) {
			status, clients = watchStatus(t, c), startLoad(t, c, nodes, gone...)
			clients.keep(t)
			clients.goesOn(t)
			pods, before := c.podsNow(t), c.incarnations(t)
			clients.strike(func() {
				for _, g := range gone {
					kill(t, pods[g])
				}
			})
			var ended []layout.ID
			for _, g := range gone {
				ended = append(ended, before[g])
			}
			c.isWhole(t, backTime, nodes, ended...)
			clients.tell(name)
			clients.goesOn(t)
			clients.reads(t)
			clients.finish(t)
		})).
		Assess("and told what was lost", step(func(t *testing.T) {
			status.said(t, "Degraded True SlotsLost: ALL COPIES ARE LOST of slots "+slots+": their keys and values are gone.")
			status.said(t, "Ready False SlotsUnavailable", "can be neither read nor written")
			c.hasEvent(t, corev1.EventTypeWarning, "SlotsLost", "ALL COPIES ARE LOST of slots "+slots)
			c.hasEvent(t, corev1.EventTypeWarning, "SlotsGivenUp", "All keys and values of slots "+slots+" were lost at ")
			c.says(t, 10*time.Second, "DataLost", metav1.ConditionTrue, "SlotsGivenUp", "slots "+slots, "seppen.io/losses-seen=")
		})).
		Assess("until somebody has seen it", step(func(t *testing.T) {
			got, err := c.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(got.Status.LostSlots); n != 1 || got.Status.LostSlots[0].Slots != slots {
				t.Fatalf("status.lostSlots is %+v", got.Status.LostSlots)
			}
			kubectl(t, "annotate", "--namespace", c.namespace, "seppencluster/"+c.name, fmt.Sprintf("seppen.io/losses-seen=%d", got.Status.LostSlots[0].Epoch))
			c.says(t, 30*time.Second, "DataLost", metav1.ConditionFalse, "NothingLost")
		}))
}
