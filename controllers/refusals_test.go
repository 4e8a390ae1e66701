package controllers

import (
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What was refused is tried again after a while, which grows; another content at once.
func TestRefusedTries(t *testing.T) {
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "statefulsets"}, "snow-0", errors.New("a quota"))
	object := func(replicas int32) client.Object {
		return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "snow-0"}, Spec: appsv1.StatefulSetSpec{Replicas: &replicas}}
	}
	r := &refusals{}
	for i, tt := range []struct {
		at       time.Duration
		replicas int32
		tries    bool
		result   error
	}{
		{0, 1, true, refused},
		{900 * time.Millisecond, 1, false, nil},
		{time.Second, 1, true, refused},
		{2900 * time.Millisecond, 1, false, nil},
		{3 * time.Second, 1, true, refused}, // for 4 s
		{3 * time.Second, 2, true, refused}, // another content, for 1 s
		{4 * time.Second, 2, true, refused}, // for 2 s
		{6 * time.Second, 2, true, refused},
		{10 * time.Second, 2, true, refused},
		{18 * time.Second, 2, true, refused}, // for 16 s
		{33 * time.Second, 2, false, nil},
		{34 * time.Second, 2, true, refused}, // for 30 s, and no more
		{63 * time.Second, 2, false, nil},
		{64 * time.Second, 2, true, refused},
		{93 * time.Second, 2, false, nil},
		{94 * time.Second, 2, true, nil}, // it is allowed
		{94 * time.Second, 2, true, refused},
		{95 * time.Second, 2, true, errors.New("no answer")}, // that is no refusal
		{95 * time.Second, 2, true, refused},                 // for 1 s
		{96 * time.Second, 2, true, nil},
	} {
		now := someTime.Add(tt.at)
		err := r.of("set", object(tt.replicas), now)
		if (err == nil) != tt.tries || err != nil && !errors.Is(err, refused) {
			t.Fatalf("%d, after %s: %v", i, tt.at, err)
		}
		if tt.tries {
			r.keep("set", object(tt.replicas), tt.result, now)
		}
	}
	if len(r.all) != 0 {
		t.Errorf("%d are kept", len(r.all))
	}
}

// What nobody wants any more is not kept for ever, and two kinds may have one name.
func TestRefusalsAreForgotten(t *testing.T) {
	refused := apierrors.NewBadRequest("no")
	r := &refusals{}
	named := func(name string) client.Object { return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	r.keep("set", named("snow-0"), refused, someTime)
	if r.of("service", named("snow-0"), someTime) != nil {
		t.Error("another kind counts as refused")
	}
	r.keep("set", named("snow-85"), refused, someTime.Add(time.Hour))
	if len(r.all) != 1 {
		t.Errorf("%d are kept", len(r.all))
	}
}
