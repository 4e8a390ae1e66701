package e2e

import "testing"

// The operator comes by helm, works, goes away for a while, is uninstalled, and comes back
// by kubectl apply -k. TestMain has installed it.

func TestInstalled(t *testing.T) { run(t, installed()) }

func TestClusters(t *testing.T) {
	// The longest first, as only some run at a time.
	runTogether(t,
		machineLost(), badSpecs(), sampleCluster(), allCopiesLost(), onlyCopyLost(), evictions(),
		processKilled(), podForced(), restrictedNamespace(), handWrittenRanges(), deletion(), localNames(),
	)
}

func TestPlugin(t *testing.T) { run(t, plugin()) }

// Nobody notices what is planned. Two at a time, as clients' waits are measured.
func TestChanges(t *testing.T) {
	t.Run("first", func(t *testing.T) { runTogether(t, scaled(), drained()) })
	t.Run("then", func(t *testing.T) { runTogether(t, replaced(), autoscaled()) })
}

func TestKubernetesAway(t *testing.T) { run(t, kubernetesAway()) }

func TestOperatorGone(t *testing.T) { run(t, operatorKilled(), operatorGone()) }

func TestUninstalled(t *testing.T) { run(t, uninstalled(), kustomized()) }
