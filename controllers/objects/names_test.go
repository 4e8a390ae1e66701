package objects

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

func TestNames(t *testing.T) {
	c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "flake", Namespace: testNamespace}}
	n := layout.Name{Base: "flake", Range: layout.Range{Lo: 170, Hi: 84}}
	if got := Host(c, n); got != "flake-170-84.flake-nodes.snow.svc" {
		t.Errorf("Host is %s", got)
	}
	if got := HeadlessName(c); got != "flake-nodes" {
		t.Errorf("HeadlessName is %s", got)
	}
	if got := LayoutName(c); got != "flake-layout" {
		t.Errorf("LayoutName is %s", got)
	}
}

func TestSecretKeyRef(t *testing.T) {
	c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "flake"}}
	made := Secret(c, testSecret)
	ref := SecretKeyRef(c)
	if ref.Name != made.Name || string(made.Data[ref.Key]) != string(testSecret) {
		t.Errorf("%v is not in the Secret that is made, %s", ref, made.Name)
	}
	c.Spec.SecretRef = &v1alpha1.SecretReference{Name: "mine", Key: "password"}
	if diff := cmp.Diff(*c.Spec.SecretRef, SecretKeyRef(c)); diff != "" {
		t.Errorf("not the one that the user named (-want +got)\n%s", diff)
	}
}

func TestCopies(t *testing.T) {
	for name, tt := range map[string]struct {
		names []string
		want  int
	}{
		"no nodes":            {nil, 0},
		"one":                 {[]string{"c-0-255"}, 1},
		"two copies":          {[]string{"c-0-169", "c-85-255", "c-170-84"}, 2},
		"each the whole ring": {[]string{"c-0-255", "c-85-84", "c-170-169"}, 3},
		"one slot with fewer": {[]string{"a-0-255", "b-0-254"}, 1},
		"the last slot":       {[]string{"a-0-255", "b-255-253", "c-254-253"}, 2},
		"a slot without":      {[]string{"a-0-100", "b-102-255"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var names []layout.Name
			for _, s := range tt.names {
				n, err := layout.ParseName(s)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, n)
			}
			if got := Copies(names); got != tt.want {
				t.Errorf("%d copies, want %d", got, tt.want)
			}
		})
	}
}
