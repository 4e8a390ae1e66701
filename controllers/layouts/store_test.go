package layouts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// bench is a cluster in a namespace of its own, its store, and a client for everybody
// else.
type bench struct {
	client.Client
	t       *testing.T
	store   *layouts.Store
	cluster *v1alpha1.SeppenCluster
	id      layout.ID
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kube := kubetest.Get(t)
	b := &bench{t: t, Client: kube.Client, store: &layouts.Store{Reader: kube.Client, Writer: kube.Client}}
	b.cluster = &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace(t), Name: "snow"}}
	b.must(b.Create(t.Context(), b.cluster))
	var err error
	b.id, err = layouts.ClusterID(b.cluster)
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// layout is one of three shards and two copies; by is in its members' addresses.
func (b *bench) layout(epoch uint64, by int) *layout.Layout {
	b.t.Helper()
	return b.layoutOf(3, epoch, by)
}

func (b *bench) layoutOf(shards int, epoch uint64, by int) *layout.Layout {
	b.t.Helper()
	names, err := layout.Names("snow", shards, 2)
	b.must(err)
	l := &layout.Layout{Cluster: b.id, Epoch: epoch}
	for i, name := range names {
		l.Members = append(l.Members, layout.Member{
			Name: name, Address: fmt.Sprintf("10.1.2.3:%d", 20000+by), Home: fmt.Sprint("pod-", i), Incarnation: layout.ID{2, byte(i), byte(i >> 8)},
			JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	return l
}

func (b *bench) write(prev *layouts.Record, next *layout.Layout) (*layouts.Record, error) {
	content := layouts.Content{Layout: next, Fingerprint: "print", Names: prev.Names, Serial: prev.Serial}
	for _, name := range next.Names() {
		if !slices.Contains(content.Names, name) {
			content.Names = append(slices.Clone(content.Names), name)
		}
	}
	return b.store.Write(b.t.Context(), b.cluster, prev, content)
}

// written is a record of the first so many epochs.
func (b *bench) written(epochs uint64) *layouts.Record {
	b.t.Helper()
	record := &layouts.Record{}
	var err error
	for epoch := range epochs {
		record, err = b.write(record, b.layout(epoch+1, 0))
		b.must(err)
	}
	return record
}

func (b *bench) read() *layouts.Record {
	b.t.Helper()
	record, err := b.store.Read(b.t.Context(), b.cluster)
	b.must(err)
	return record
}

// configMap is the layout's, nil if there is none.
func (b *bench) configMap() *corev1.ConfigMap {
	b.t.Helper()
	m := &corev1.ConfigMap{}
	err := b.Get(b.t.Context(), types.NamespacedName{Namespace: b.cluster.Namespace, Name: "snow-layout"}, m)
	if apierrors.IsNotFound(err) {
		return nil
	}
	b.must(err)
	return m
}

// same fails the test unless a record is of this very layout.
func (b *bench) same(r *layouts.Record, want *layout.Layout) {
	b.t.Helper()
	if diff := cmp.Diff(want, r.Layout); diff != "" {
		b.t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.read()
	if record.Layout != nil || record.Fingerprint != "" {
		t.Fatalf("before the first: %+v", record)
	}
	for epoch := uint64(1); epoch <= 5; epoch++ {
		next := b.layout(epoch, int(epoch))
		fingerprint := fmt.Sprint("print", epoch)
		now, err := b.store.Write(t.Context(), b.cluster, record, layouts.Content{Layout: next, Fingerprint: fingerprint, Names: next.Names()})
		b.must(err)
		b.same(now, next)
		record = b.read()
		b.same(record, next)
		if now.Fingerprint != fingerprint || record.Fingerprint != fingerprint {
			t.Errorf("fingerprints %q and %q, not %q", now.Fingerprint, record.Fingerprint, fingerprint)
		}
	}
}

// A node that is away is in no layout, and still one of the cluster's nodes.
func TestNodesStay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.written(1)
	all := b.layout(1, 0).Names()
	for epoch := uint64(2); epoch <= 3; epoch++ {
		next := b.layout(epoch, 0)
		next.Members = next.Members[:2]
		next.Segments = layout.SegmentsOf(next.Members, 1)
		var err error
		record, err = b.write(record, next)
		b.must(err)
		for what, got := range map[string][]layout.Name{"written": record.Names, "read": b.read().Names} {
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("epoch %d, %s:\n%s", epoch, what, diff)
			}
		}
	}
}

func TestWhatPeopleSee(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.written(2)
	m := b.configMap()
	want := map[string]string{"epoch": "2", "fingerprint": "print", "serial": "0", "nodes": "snow-0-169\nsnow-85-255\nsnow-170-84", "members": `
NODE         PHASE    ADDRESS         INCARNATION                       SINCE  POD
snow-0-169   serving  10.1.2.3:20000  02000000000000000000000000000000  1      pod-0
snow-85-255  serving  10.1.2.3:20000  02010000000000000000000000000000  1      pod-1
snow-170-84  serving  10.1.2.3:20000  02020000000000000000000000000000  1      pod-2
`[1:]}
	if diff := cmp.Diff(want, m.Data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !metav1.IsControlledBy(m, b.cluster) || m.Labels["app.kubernetes.io/instance"] != "snow" {
		t.Errorf("owners %v, labels %v", m.OwnerReferences, m.Labels)
	}
}

// Others may mark the ConfigMap as theirs too, and edit what is for people.
func TestMarksOfOthersStay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.written(1)
	m := b.configMap()
	m.Labels["theirs"], m.Annotations = "x", map[string]string{"theirs": "y"}
	m.Data["epoch"] = "99"
	b.must(b.Update(t.Context(), m))
	record := b.read()
	b.same(record, b.layout(1, 0))
	_, err := b.write(record, b.layout(2, 0))
	b.must(err)
	m = b.configMap()
	if m.Labels["theirs"] != "x" || m.Annotations["theirs"] != "y" || m.Data["epoch"] != "2" {
		t.Errorf("%v %v %v", m.Labels, m.Annotations, m.Data["epoch"])
	}
}

func TestRefusedWithoutAWrite(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before uint64
		next   func(b *bench) *layout.Layout
		say    string
	}{
		"first is not 1":    {0, func(b *bench) *layout.Layout { return b.layout(2, 0) }, "layout 2 cannot be written where layout 1 is due"},
		"another one again": {2, func(b *bench) *layout.Layout { return b.layout(2, 7) }, "layout 2 cannot be written where layout 3 is due"},
		"one left out":      {2, func(b *bench) *layout.Layout { return b.layout(4, 0) }, "layout 4 cannot be written where layout 3 is due"},
		"bootstrap again":   {2, func(b *bench) *layout.Layout { return b.layout(1, 0) }, "layout 1 cannot be written where layout 3 is due"},
		"of no cluster":     {0, func(b *bench) *layout.Layout { l := b.layout(1, 0); l.Cluster = layout.ID{}; return l }, "is of cluster 0000"},
		"another clusters":  {1, func(b *bench) *layout.Layout { l := b.layout(2, 0); l.Cluster = layout.NewID(); return l }, "is of cluster "},
		"not valid":         {1, func(b *bench) *layout.Layout { l := b.layout(2, 0); l.Segments = l.Segments[1:]; return l }, "layout 2 is not written: "},
		"could not be read again": {1, func(b *bench) *layout.Layout {
			l := b.layout(2, 0)
			l.Members[0].Address = strings.Repeat("a", 5000)
			return l
		}, "layout 2 is not written: not an encoded layout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			record := b.written(tt.before)
			before := b.configMap()
			_, err := b.write(record, tt.next(b))
			if err == nil || !strings.Contains(err.Error(), tt.say) || errors.Is(err, layouts.ErrChanged) {
				t.Errorf("%v\nnot: %s", err, tt.say)
			}
			if diff := cmp.Diff(before, b.configMap()); diff != "" {
				t.Errorf("it was written:\n%s", diff)
			}
		})
	}
}

// Many write the same epoch, each with another layout: one of them wins.
func TestOneWins(t *testing.T) {
	t.Parallel()
	const writers = 24
	b := newBench(t)
	record := b.read()
	for epoch := uint64(1); epoch <= 4; epoch++ {
		var g errgroup.Group
		var winners, losers atomic.Int64
		won := make([]*layouts.Record, writers)
		start := make(chan struct{})
		for i := range writers {
			prev, next := record, b.layout(epoch, i)
			g.Go(func() error {
				<-start
				now, err := b.write(prev, next)
				switch {
				case err == nil:
					winners.Add(1)
					won[i] = now
				case errors.Is(err, layouts.ErrChanged):
					losers.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		close(start)
		b.must(g.Wait())
		if winners.Load() != 1 || losers.Load() != writers-1 {
			t.Fatalf("epoch %d: %d won, %d lost", epoch, winners.Load(), losers.Load())
		}
		record = b.read()
		for i, r := range won {
			if r != nil {
				b.same(r, b.layout(epoch, i))
				b.same(record, b.layout(epoch, i))
			}
		}
	}
}

// A record that is no longer the newest leads nowhere, however often it is tried.
func TestOldRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	none := b.read()
	first := b.written(1)
	if _, err := b.write(none, b.layout(1, 1)); !errors.Is(err, layouts.ErrChanged) {
		t.Errorf("after none: %v", err)
	}
	_, err := b.write(first, b.layout(2, 0))
	b.must(err)
	for range 3 {
		if _, err := b.write(first, b.layout(2, 1)); !errors.Is(err, layouts.ErrChanged) {
			t.Errorf("after the first: %v", err)
		}
	}
	b.same(b.read(), b.layout(2, 0))
}

// lossy loses the answer to one write, or the write.
type lossy struct {
	next  http.RoundTripper
	armed atomic.Bool
	done  bool // the write is done before its answer is lost
}

var errLost = errors.New("the connection is lost")

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || !l.armed.CompareAndSwap(true, false) {
		return l.next.RoundTrip(r)
	}
	if l.done {
		response, err := l.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode >= 300 {
			return nil, fmt.Errorf("the write failed: %s", response.Status)
		}
		response.Body.Close()
	}
	return nil, errLost
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		for before := range uint64(3) {
			t.Run(fmt.Sprintf("done %v, after %d", done, before), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				transport := &lossy{done: done}
				b.store.Writer = clientThrough(t, func(next http.RoundTripper) http.RoundTripper {
					transport.next = next
					return transport
				})
				record := b.written(before)
				next := b.layout(before+1, 7)
				transport.armed.Store(true)
				_, err := b.write(record, next)
				if !errors.Is(err, errLost) || errors.Is(err, layouts.ErrChanged) {
					t.Fatalf("the first try: %v", err)
				}
				if !done {
					b.same(b.read(), record.Layout)
					now, err := b.write(record, next)
					b.must(err)
					b.same(now, next)
					return
				}
				b.same(b.read(), next)
				if _, err := b.write(record, next); !errors.Is(err, layouts.ErrChanged) {
					t.Errorf("the second try: %v", err)
				}
				now, err := b.write(b.read(), b.layout(before+2, 0))
				b.must(err)
				b.same(now, b.layout(before+2, 0))
			})
		}
	}
}

func clientThrough(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) client.Client {
	t.Helper()
	config := rest.CopyConfig(kubetest.Get(t).Config)
	config.Wrap(wrap)
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(config, client.Options{HTTPClient: transport, Scheme: kubetest.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is there and cannot be a layout of ours is an error, never "none yet".
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(b *bench, m *corev1.ConfigMap)
		want  error
		say   string
	}{
		"empty":        {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData, m.Data = nil, nil }, layouts.ErrUnreadable, "ConfigMap snow-layout does not hold a layout that can be read: it has no binaryData.layout"},
		"no bytes":     {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData["layout"] = []byte{} }, layouts.ErrUnreadable, "not an encoded layout"},
		"cut":          {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData["layout"] = m.BinaryData["layout"][:40] }, layouts.ErrUnreadable, "not an encoded layout"},
		"more":         {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData["layout"] = append(m.BinaryData["layout"], 0) }, layouts.ErrUnreadable, "not an encoded layout"},
		"text":         {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData["layout"] = []byte("hello") }, layouts.ErrUnreadable, "not an encoded layout"},
		"a newer form": {func(_ *bench, m *corev1.ConfigMap) { m.BinaryData["layout"][0] = 3 }, layouts.ErrUnreadable, "version 3"},
		"not valid": {func(b *bench, m *corev1.ConfigMap) {
			l := b.layout(1, 0)
			l.Segments = l.Segments[1:]
			m.BinaryData["layout"] = l.Encode()
		}, layouts.ErrUnreadable, "slot 0"},
		"no nodes":     {func(_ *bench, m *corev1.ConfigMap) { delete(m.Data, "nodes") }, layouts.ErrUnreadable, "data.nodes: no node names given"},
		"wrong serial": {func(_ *bench, m *corev1.ConfigMap) { m.Data["serial"] = "-1" }, layouts.ErrUnreadable, "data.serial: "},
		"wrong shape":  {func(_ *bench, m *corev1.ConfigMap) { m.Data["shape"] = "0-255 x" }, layouts.ErrUnreadable, "data.shape: \"x\" is not a range"},
		"part of one":  {func(_ *bench, m *corev1.ConfigMap) { m.Data["shape"] = "0-99" }, layouts.ErrUnreadable, "data.shape: no range has slots 100-255"},
		"wrong nodes":  {func(_ *bench, m *corev1.ConfigMap) { m.Data["nodes"] += "\nsnow-1" }, layouts.ErrUnreadable, `data.nodes: node name "snow-1"`},
		"in data": {func(_ *bench, m *corev1.ConfigMap) {
			m.BinaryData, m.Data["layout"] = nil, "x"
		}, layouts.ErrUnreadable, "it has no binaryData.layout"},
		"of another cluster": {func(b *bench, m *corev1.ConfigMap) {
			l := b.layout(1, 0)
			l.Cluster = layout.ID{9}
			m.BinaryData["layout"] = l.Encode()
		}, layouts.ErrForeign, "ConfigMap snow-layout exists and is not this cluster's: it holds the layout of cluster 0900"},
		"nobody's": {func(_ *bench, m *corev1.ConfigMap) { m.OwnerReferences = nil }, layouts.ErrForeign, "nothing controls it"},
		"an earlier cluster's": {func(_ *bench, m *corev1.ConfigMap) {
			m.OwnerReferences[0].UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
		}, layouts.ErrForeign, "it is left of an earlier one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.written(1)
			m := b.configMap()
			tt.spoil(b, m)
			b.must(b.Update(t.Context(), m))
			r, err := b.store.Read(t.Context(), b.cluster)
			if r != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("%+v, %v\nnot: %s", r, err, tt.say)
			}
			// Nor can it be written over as if there were none.
			if _, err := b.write(&layouts.Record{}, b.layout(1, 3)); !errors.Is(err, layouts.ErrChanged) {
				t.Errorf("a bootstrap over it: %v", err)
			}
			if diff := cmp.Diff(m, b.configMap()); diff != "" {
				t.Errorf("it was written over:\n%s", diff)
			}
		})
	}
}

func TestDeletedInBetween(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.written(2)
	b.must(b.Delete(t.Context(), b.configMap()))
	if _, err := b.write(record, b.layout(3, 0)); !errors.Is(err, layouts.ErrGone) {
		t.Errorf("written: %v", err)
	}
	if m := b.configMap(); m != nil {
		t.Errorf("it was made again: %v", m)
	}
	if r := b.read(); r.Layout != nil {
		t.Errorf("read: %+v", r)
	}

	// Another one in its place is not written over with what was read of the first.
	b.written(1)
	if _, err := b.write(record, b.layout(3, 0)); !errors.Is(err, layouts.ErrChanged) {
		t.Errorf("written over another: %v", err)
	}
	b.same(b.read(), b.layout(1, 0))
}

func TestBeingDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := b.written(1)
	m := b.configMap()
	m.Finalizers = []string{"example.com/theirs"}
	b.must(b.Update(t.Context(), m))
	b.must(b.Delete(t.Context(), m))
	if r, err := b.store.Read(t.Context(), b.cluster); r != nil || !errors.Is(err, layouts.ErrGone) {
		t.Errorf("read: %+v, %v", r, err)
	}
	if _, err := b.write(record, b.layout(2, 0)); err == nil {
		t.Error("written")
	}
	if _, err := b.write(&layouts.Record{}, b.layout(1, 0)); !errors.Is(err, layouts.ErrChanged) {
		t.Errorf("bootstrapped: %v", err)
	}
	m = b.configMap()
	m.Finalizers = nil
	b.must(b.Update(t.Context(), m))
}

// meddler does something right after a write, before it is read again.
type meddler struct {
	client.Writer
	then func()
}

func (w meddler) Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error {
	err := w.Writer.Update(ctx, o, opts...)
	w.then()
	return err
}

// Only what the read after the write brings back is returned.
func TestChangedRightAfterTheWrite(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		then func(b *bench)
		want error
	}{
		"the next layout": {func(b *bench) {
			_, err := b.write(b.read(), b.layout(3, 0))
			b.must(err)
		}, layouts.ErrChanged},
		"another fingerprint": {func(b *bench) {
			m := b.configMap()
			m.Data["fingerprint"] = "another"
			b.must(b.Update(b.t.Context(), m))
		}, layouts.ErrChanged},
		"damage": {func(b *bench) {
			m := b.configMap()
			m.BinaryData["layout"][0] = 77
			b.must(b.Update(b.t.Context(), m))
		}, layouts.ErrUnreadable},
		"it is deleted": {func(b *bench) { b.must(b.Delete(b.t.Context(), b.configMap())) }, layouts.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			record := b.written(1)
			store := &layouts.Store{Reader: b.Client, Writer: meddler{Writer: b.Client, then: func() { tt.then(b) }}}
			now, err := store.Write(t.Context(), b.cluster, record, layouts.Content{Layout: b.layout(2, 0), Fingerprint: "print", Names: record.Names})
			if now != nil || !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v", now, err)
			}
		})
	}
}

// An object holds at most 1 MiB.
func TestLargest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	record := &layouts.Record{}
	var err error
	for epoch := uint64(1); epoch <= 2; epoch++ {
		l := b.layoutOf(256, epoch, 0)
		if epoch == 2 { // every node has a replacement, and names and addresses are long
			l.Members = append(l.Members, l.Members...)
			for i := range l.Members {
				m := &l.Members[i]
				m.Name.Base, m.Address = strings.Repeat("s", v1alpha1.MaxNameLength), "[fd00:1111:2222:3333:4444:5555:6666:7777]:21286"
				m.Home = "0f8fad5b-d9cb-469f-a165-70867728950e"
				m.Incarnation = layout.ID{3, byte(i), byte(i >> 8)}
				if i >= 256 {
					m.Phase = layout.Attached
				}
			}
			l.Segments = layout.SegmentsOf(l.Members, 1)
		}
		record, err = b.write(record, l)
		b.must(err)
		b.same(record, l)
		m := b.configMap()
		size := m.Size()
		t.Logf("%d members: %d bytes in all, the layout %d, the text %d", len(l.Members), size, len(m.BinaryData["layout"]), len(m.Data["members"]))
		if size > 200_000 {
			t.Errorf("%d members take %d bytes", len(l.Members), size)
		}
	}
}

func TestClusterID(t *testing.T) {
	for uid, want := range map[types.UID]string{
		"0f8fad5b-d9cb-469f-a165-70867728950e":  "0f8fad5bd9cb469fa16570867728950e",
		"":                                      "",
		"1":                                     "",
		"0f8fad5b-d9cb-469f-a165-70867728950":   "",
		"0f8fad5b-d9cb-469f-a165-70867728950ef": "",
		"0f8fad5b-d9cb-469f-a165-70867728950g":  "",
		"00000000-0000-0000-0000-000000000000":  "",
	} {
		id, err := layouts.ClusterID(&v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "snow", UID: uid}})
		if want == "" && err == nil || want != "" && (err != nil || id.String() != want) {
			t.Errorf("%q: %s, %v", uid, id, err)
		}
	}
	var unknown v1alpha1.SeppenCluster
	if _, err := (&layouts.Store{}).Read(t.Context(), &unknown); err == nil {
		t.Error("read without a UID")
	}
	if _, err := (&layouts.Store{}).Write(t.Context(), &unknown, &layouts.Record{}, layouts.Content{}); err == nil {
		t.Error("written without a UID")
	}
}
