package operator

import (
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A node that dies while the secret is not to be had is removed, and its slots are served by
// others: the connections are still there. When the secret is back, so is the node.
func TestFailoverWithoutTheSecret(t *testing.T) {
	for reason, tt := range map[string]struct {
		take, restore func(*site, *running, *corev1.Secret)
	}{
		"SecretNotFound": {
			func(s *site, _ *running, was *corev1.Secret) { s.replaceSecret(was, nil) },
			func(s *site, _ *running, was *corev1.Secret) { s.replaceSecret(was, was.Data) },
		},
		"SecretChanged": {
			func(s *site, _ *running, was *corev1.Secret) {
				s.replaceSecret(was, map[string][]byte{"secret": []byte("another")})
			},
			func(s *site, _ *running, was *corev1.Secret) { s.replaceSecret(was, was.Data) },
		},
		"ApplyFailed": {
			func(s *site, o *running, was *corev1.Secret) { o.forbid("/secrets/" + was.Name) },
			func(_ *site, o *running, _ *corev1.Secret) { o.forbid("") },
		},
	} {
		t.Run(reason, func(t *testing.T) {
			s := newSite(t)
			o := s.operate()
			s.started(2)
			was := &corev1.Secret{}
			if err := s.Client.Get(t.Context(), s.key("snow-secret"), was); err != nil {
				t.Fatal(err)
			}
			dead := s.kubelet.Node(ring[1]).Incarnation()
			tt.take(s, o, was)
			s.says("snow", "Progressing", metav1.ConditionFalse, reason)
			s.kubelet.Fail(ring[1])
			s.without(dead)
			s.serving("snow")
			tt.restore(s, o, was)
			s.deletePod(ring[1])
			s.recovers("snow", 2)
			if c := s.cluster("snow"); len(c.Status.LostSlots) > 0 {
				t.Error(tell(c))
			}
		})
	}
}

// replaceSecret deletes one and makes another in its place, if that is to have anything.
func (s *site) replaceSecret(was *corev1.Secret, data map[string][]byte) {
	s.t.Helper()
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: was.Name}}
	if err := s.Client.Delete(s.t.Context(), o); client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	if data == nil {
		return
	}
	o.Data = data
	if err := s.Client.Create(s.t.Context(), o); err != nil {
		s.t.Fatal(err)
	}
}

// forbid has the API server refuse what is about paths with this end; empty: nothing.
func (t *traffic) forbid(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forbidden = path
}

func (t *traffic) isForbidden(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forbidden != "" && strings.HasSuffix(r.URL.Path, t.forbidden)
}

// refusal is what who has no such right hears.
func refusal(r *http.Request) *http.Response {
	const body = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not allowed","reason":"Forbidden","code":403}`
	return &http.Response{
		StatusCode: http.StatusForbidden, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}
