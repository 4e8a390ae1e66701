package e2e

import "testing"

// The operator comes by helm, works, goes away for a while, is uninstalled, and comes back
// by kubectl apply -k. TestMain has installed it.

func TestInstalled(t *testing.T) { run(t, installed()) }

func TestClusters(t *testing.T) {
	runTogether(t,
		sampleCluster(), restrictedNamespace(), processKilled(), podDeleted(), podForced(), allCopiesLost(), onlyCopyLost(), machineLost(),
		badSpecs(), handWrittenRanges(), evictions(), deletion(), localNames(),
	)
}

func TestOperatorGone(t *testing.T) { run(t, operatorKilled(), operatorGone()) }

func TestUninstalled(t *testing.T) { run(t, uninstalled(), kustomized()) }
