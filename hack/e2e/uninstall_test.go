package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// uninstalled: the operator goes, the resource and so the clusters stay.
func uninstalled() *features.FeatureBuilder {
	var processes map[string]string
	return features.New("helm uninstall").
		Setup(step(func(t *testing.T) {
			if _, err := lasting.get(t.Context()); apierrors.IsNotFound(err) {
				lasting.make(t, small) // the test before did not run
			}
		})).
		Assess("takes the operator and its rights", step(func(t *testing.T) {
			processes = lasting.processes(t)
			if ofRelease(t) == "" {
				t.Fatal("there is nothing to take: this tests nothing")
			}
			helm(t, "uninstall", "seppen", "--namespace", operatorNamespace, "--wait")
			eventually(t, time.Minute, func() error {
				if left := ofRelease(t); left != "" {
					return fmt.Errorf("there is still\n%s", left)
				}
				return nil
			})
		})).
		Assess("leaves the resource and the clusters", step(func(t *testing.T) {
			kubectl(t, "get", "crd", "seppenclusters.seppen.io")
			lasting.isAsBefore(t, processes)
			clients := startTraffic(t, lasting)
			clients.goesOn(t)
			clients.stop(t)
		}))
}

// ofRelease are all objects that say to be of the release, but the resource itself.
func ofRelease(t *testing.T) string {
	return kubectl(t, "get", "--all-namespaces", "-o", "name", "-l", "app.kubernetes.io/instance=seppen,app.kubernetes.io/managed-by=Helm",
		"deployments,replicasets,pods,services,serviceaccounts,configmaps,secrets,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,networkpolicies")
}

// kustomized: the same operator without helm, in whose place it comes.
func kustomized() *features.FeatureBuilder {
	c := cluster{"e2e-kustomize", "next"}
	var processes map[string]string
	return features.New("kubectl apply -k").
		Setup(step(func(t *testing.T) { processes = lasting.processes(t) })).
		Assess("installs an operator", step(func(t *testing.T) {
			kubectl(t, "apply", "-k", configWithImage(t))
			kubectl(t, "rollout", "status", "--namespace", operatorNamespace, "deployment/"+operatorName, "--timeout=90s")
			operatorWorks(t)
		})).
		Assess("that makes clusters", step(func(t *testing.T) {
			makeNamespace(t, c.namespace)
			c.apply(t, small+"\n  shards: 1\n  copies: 1")
			c.isReady(t)
		})).
		Assess("and looks after those there are", step(func(t *testing.T) {
			// It runs them with the image that it has itself.
			eventually(t, changeTime, func() error {
				for name := range lasting.podsNow(t) {
					if processes[name] != "" {
						return fmt.Errorf("%s is still there", name)
					}
				}
				return nil
			})
			lasting.comesTo(t, 3, 2)
			before, err := lasting.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range lasting.podsNow(t) {
				at(p).must(t, http.StatusCreated, "PUT", "/new/"+p.Name, "counted by the new operator")
			}
			eventually(t, 30*time.Second, func() error {
				got, err := lasting.get(t.Context())
				if err == nil && got.Status.Keys != before.Status.Keys+3 {
					err = fmt.Errorf("%d keys, were %d", got.Status.Keys, before.Status.Keys)
				}
				return err
			})
			lasting.says(t, 30*time.Second, "Progressing", metav1.ConditionFalse, "Complete")
		}))
}

// configWithImage is a copy of config/ in which the image is set as its comment says, by
// kustomize edit set image; kubectl's kustomize has no edit.
func configWithImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "manager", "kustomization.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	repository, tag, _ := strings.Cut(image, ":")
	text := regexp.MustCompile(`(?m)^  newName: .*$`).ReplaceAllString(string(b), "  newName: "+repository)
	text = regexp.MustCompile(`(?m)^  newTag: .*$`).ReplaceAllString(text, "  newTag: "+tag)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "default")
}
