package controllers

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/roster"
)

var someTime = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// What is known of a node whose process is a member that serves.
func TestFactsOfANode(t *testing.T) {
	deleted := func(ago time.Duration) func(w *world) {
		return func(w *world) {
			w.pods["snow-0-255"].DeletionTimestamp = new(metav1.NewTime(someTime.Add(-ago)))
		}
	}
	hasTime := func(w *world) { w.pods["snow-0-255"].DeletionGracePeriodSeconds = new(int64(600)) }
	deaf := func(w *world) { w.sights["snow-0-255"].Status = nil }
	replaced := func(w *world) { w.sights["snow-0-255"].Pod = "another" }
	nothing := func(w *world) { w.record.Layout.Members = w.record.Layout.Members[:1] }
	joins := func(w *world) { w.record.Layout.Members[1].Phase = layout.Joining }
	cordon := func(w *world) {
		w.machines = map[string]*corev1.Node{"m": {Spec: corev1.NodeSpec{Unschedulable: true}}}
	}
	lost := func(w *world) {
		w.machines = map[string]*corev1.Node{"m": {Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}}}}}
	}
	other := func(w *world) { w.pods["snow-0-255"].Labels = map[string]string{objects.RevisionLabel: "older"} }
	dead := func(w *world) { w.dead[layout.ID{2}] = "it ended" }
	told := func(w *world) { w.sights["snow-0-255"].Status.Ending = true }
	for name, tt := range map[string]struct {
		changes []func(w *world)
		want    membership.Node
	}{
		"all is well":                                    {nil, membership.Node{}},
		"being deleted":                                  {[]func(*world){deleted(-time.Minute)}, membership.Node{Ends: true}},
		"being deleted, of nothing":                      {[]func(*world){deleted(-time.Minute), nothing}, membership.Node{}},
		"being deleted, and joining":                     {[]func(*world){deleted(-time.Minute), joins}, membership.Node{}},
		"being deleted, and dead":                        {[]func(*world){deleted(-time.Minute), dead}, membership.Node{}},
		"overdue a little, of nothing":                   {[]func(*world){deleted(20 * time.Second), nothing}, membership.Node{}},
		"overdue for long, of nothing":                   {[]func(*world){deleted(40 * time.Second), nothing}, membership.Node{Ends: true}},
		"being deleted for a wink, of nothing, and deaf": {[]func(*world){deleted(-580 * time.Second), nothing, hasTime, deaf}, membership.Node{}},
		"being deleted for long, of nothing, and deaf":   {[]func(*world){deleted(-560 * time.Second), nothing, hasTime, deaf}, membership.Node{Ends: true}},
		"being deleted for long, of nothing, and heard":  {[]func(*world){deleted(-560 * time.Second), nothing, hasTime}, membership.Node{}},
		"being deleted for long, and another is heard":   {[]func(*world){deleted(-560 * time.Second), nothing, hasTime, replaced}, membership.Node{Ends: true}},
		"being deleted for long, no more is known":       {[]func(*world){deleted(-10 * time.Second), nothing, deaf}, membership.Node{}},
		"on a lost machine, of nothing":                  {[]func(*world){deleted(-time.Minute), nothing, lost}, membership.Node{Ends: true}},
		"on a lost machine, there still":                 {[]func(*world){lost}, membership.Node{}},
		"told to stop":                                   {[]func(*world){told}, membership.Node{Ends: true}},
		"told to stop, of nothing":                       {[]func(*world){told, nothing}, membership.Node{}},
		"its machine is cordoned":                        {[]func(*world){cordon}, membership.Node{Moves: true}},
		"it joins on a cordoned machine":                 {[]func(*world){cordon, joins}, membership.Node{}},
		"of an older template":                           {[]func(*world){other}, membership.Node{Old: true}},
		"of an older template, of nothing":               {[]func(*world){other, nothing}, membership.Node{}},
		"of an invalid spec":                             {[]func(*world){other, func(w *world) { w.asked = nil }}, membership.Node{}},
		"no pod":                                         {[]func(*world){cordon, other, func(w *world) { clear(w.pods) }}, membership.Node{}},
	} {
		w := single(layout.Serving)
		w.now, w.asked = someTime, w.names
		w.pods["snow-0-255"].Spec.NodeName = "m"
		for _, change := range tt.changes {
			change(w)
		}
		tt.want.Name, tt.want.Phase = w.names[0], layout.Serving
		if got := w.node(w.names[0], ""); got != tt.want {
			t.Errorf("%s: %+v, not %+v", name, got, tt.want)
		}
	}
}

// One that serves counts more than one that comes, and one that leaves has all as well.
func TestFurthest(t *testing.T) {
	for _, tt := range []struct{ a, b, want layout.Phase }{
		{layout.Joining, layout.Attached, layout.Attached},
		{layout.Serving, layout.Joining, layout.Serving},
		{layout.Leaving, layout.Attached, layout.Leaving},
		{layout.Leaving, layout.Serving, layout.Serving},
	} {
		w := single(layout.Serving)
		w.record.Layout.Members[0].Phase, w.record.Layout.Members[1].Phase = tt.a, tt.b
		if got := w.furthest(w.names[0]); got != tt.want {
			t.Errorf("%s and %s: %s", tt.a, tt.b, got)
		}
		if got := w.furthest(layout.Name{Base: "ice"}); got != 0 {
			t.Errorf("of nobody: %s", got)
		}
	}
}

// With a spec that is not valid the shape is the one that was recorded last. What the status says
// of nodes is older than the record, so it does not count: by it one node that ends would bring
// in another one in each look.
func TestShapeOfAnInvalidSpec(t *testing.T) {
	whole := []layout.Range{{Lo: 0, Hi: 255}}
	for name, tt := range map[string]struct {
		recorded []layout.Range
		happens  func(w *world)
		want     int // nodes after many looks
	}{
		"nothing happens":                       {whole, func(*world) {}, 1},
		"of an older operator, nothing happens": {nil, func(*world) {}, 1},
		"one ends":                              {whole, ended, 2},
		"of an older operator, one ends":        {nil, ended, 2},
		"one moves":                             {whole, cordoned, 2},
		"of an older operator, one moves":       {nil, cordoned, 2},
	} {
		w := single(layout.Serving)
		w.record.Shape, w.now = tt.recorded, someTime
		w.cluster.Name = "snow"
		w.cluster.Status.Nodes = []v1alpha1.NodeStatus{{Name: "snow-0-255"}} // and it is not written again
		tt.happens(w)
		for range 20 {
			p := &plan{}
			w.planNodes(p, "")
			if next := w.changes(p); next != nil {
				w.record.Content, w.names = *next, next.Names
			}
		}
		if len(w.names) != tt.want || w.record.Serial != uint64(tt.want-1) {
			t.Errorf("%s: serial %d, %v", name, w.record.Serial, w.names)
		}
	}
}

func ended(w *world) {
	w.pods["snow-0-255"].DeletionTimestamp = new(metav1.NewTime(someTime.Add(time.Minute)))
}

func cordoned(w *world) {
	w.pods["snow-0-255"].Spec.NodeName = "m"
	w.machines = map[string]*corev1.Node{"m": {Spec: corev1.NodeSpec{Unschedulable: true}}}
}

// The shape is written with the nodes that it brings, with each step, and alone if no node changes.
func TestShapeIsRecorded(t *testing.T) {
	whole, upper, lower := layout.Range{Lo: 0, Hi: 255}, layout.Range{Lo: 128, Hi: 255}, layout.Range{Lo: 0, Hi: 127}
	for name, tt := range map[string]struct {
		recorded, asked, want []layout.Range // want: written; none: nothing is
	}{
		"as recorded":                  {[]layout.Range{whole}, []layout.Range{whole}, nil},
		"as the nodes are":             {nil, []layout.Range{whole}, nil},
		"another one":                  {[]layout.Range{whole}, []layout.Range{upper, lower}, []layout.Range{lower, upper}},
		"the nodes are there already":  {[]layout.Range{lower, upper}, []layout.Range{whole}, []layout.Range{whole}},
		"by an older operator, others": {nil, []layout.Range{whole, whole}, []layout.Range{whole, whole}},
	} {
		w := single(layout.Serving)
		w.cluster.Name, w.record.Shape = "snow", tt.recorded
		w.asked = nil
		for _, r := range tt.asked {
			w.asked = append(w.asked, layout.Name{Base: "snow", Range: r})
		}
		w.pods["snow-0-255"].Labels = map[string]string{objects.RevisionLabel: objects.Revision(w.cluster, "")}
		p := &plan{}
		w.planNodes(p, "")
		var got []layout.Range
		if next := w.changes(p); next != nil {
			got = next.Shape
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v", name, got)
		}
		if step := w.follows(p, w.record.Layout); !slices.Equal(step.Shape, p.shape) || len(p.shape) == 0 {
			t.Errorf("%s: with a step %v", name, step.Shape)
		}
	}
}

// Which machines are being emptied.
func TestEmptied(t *testing.T) {
	taint := func(key string, effect corev1.TaintEffect) []corev1.Taint {
		return []corev1.Taint{{Key: key, Value: "v", Effect: effect}}
	}
	for name, tt := range map[string]struct {
		cordoned   bool
		taints     []corev1.Taint
		toleration *corev1.Toleration
		want       bool
	}{
		"cordoned, and it may come": {true, nil, &corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists}, false},
		"cordoned, and it may stay": {true, nil, &corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}, true},
		"cordoned and more":         {true, taint("k", corev1.TaintEffectNoSchedule), &corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists}, true},
		"nothing":                   {false, nil, nil, false},
		"cordoned":                  {true, nil, nil, true},
		"for nobody new":            {false, taint("k", corev1.TaintEffectNoSchedule), nil, true},
		"for nobody":                {false, taint("k", corev1.TaintEffectNoExecute), nil, true},
		"for nobody, if possible":   {false, taint("k", corev1.TaintEffectPreferNoSchedule), nil, false},
		"tolerated":                 {false, taint("k", corev1.TaintEffectNoSchedule), &corev1.Toleration{Key: "k", Operator: corev1.TolerationOpExists}, false},
		"tolerated by value":        {false, taint("k", corev1.TaintEffectNoSchedule), &corev1.Toleration{Key: "k", Value: "v"}, false},
		"another value":             {false, taint("k", corev1.TaintEffectNoSchedule), &corev1.Toleration{Key: "k", Value: "w"}, true},
		"another effect":            {false, taint("k", corev1.TaintEffectNoExecute), &corev1.Toleration{Key: "k", Value: "v", Effect: corev1.TaintEffectNoSchedule}, true},
		"all is tolerated":          {false, taint("k", corev1.TaintEffectNoExecute), &corev1.Toleration{Operator: corev1.TolerationOpExists}, false},
		"not ready":                 {false, taint(corev1.TaintNodeNotReady, corev1.TaintEffectNoSchedule), nil, false},
		"lost":                      {false, taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute), nil, false},
		"short of memory":           {false, taint(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule), nil, false},
		"shut down, somebody says":  {false, taint(corev1.TaintNodeOutOfService, corev1.TaintEffectNoExecute), nil, true},
		"cordoned, and is so again": {true, taint(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule), nil, true},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "m"}}
		if tt.toleration != nil {
			pod.Spec.Tolerations = []corev1.Toleration{*tt.toleration}
		}
		w := &world{machines: map[string]*corev1.Node{"m": {Spec: corev1.NodeSpec{Unschedulable: tt.cordoned, Taints: tt.taints}}}}
		if got := w.emptied(pod); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (&world{}).emptied(&corev1.Pod{}) {
		t.Error("a machine of which nothing is known")
	}
}

// A process that is retired can be no member: its pod is made anew where its node stays.
func TestRetired(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world)
		want   bool
	}{
		"retired":                {func(*world) {}, true},
		"a member":               {func(w *world) { w.sights["snow-0-255"].Status.Incarnation = layout.ID{1} }, false},
		"its node goes":          {func(w *world) { w.asked = []layout.Name{{Base: "snow", Range: layout.Range{Lo: 0, Hi: 99}}} }, false},
		"not retired":            {func(w *world) { w.sights["snow-0-255"].Status.Retired = false }, false},
		"of the pod before":      {func(w *world) { w.sights["snow-0-255"].Pod = "another" }, false},
		"it is being deleted":    {func(w *world) { w.pods["snow-0-255"].DeletionTimestamp = new(metav1.NewTime(someTime)) }, false},
		"it does not answer now": {func(w *world) { w.sights["snow-0-255"].Status = nil }, false},
	} {
		w := single(layout.Serving)
		w.now, w.asked = someTime, w.names
		w.record.Layout.Members = w.record.Layout.Members[:1]
		w.pods["snow-0-255"].Labels = map[string]string{objects.RevisionLabel: objects.Revision(w.cluster, "")}
		w.sights["snow-0-255"].Status = &peer.Status{Incarnation: layout.ID{2}, Retired: true}
		tt.change(w)
		p := &plan{}
		w.planNodes(p, "")
		w.planDrops(p)
		if got := len(p.dropPods) == 1; got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		seen := w.observations(&plan{})
		if name == "retired" && (len(seen) != 1 || !seen[0].Unfit) {
			t.Errorf("it may become a member: %+v", seen)
		}
	}
}

// A pod that holds nothing on a machine that is being emptied is made anew, elsewhere: it need not
// be moved, and it must not hold up whoever empties the machine.
func TestDropsOnAMachineThatIsEmptied(t *testing.T) {
	nothing := func(w *world) { w.record.Layout.Members = w.record.Layout.Members[:1] }
	for name, tt := range map[string]struct {
		change func(w *world)
		want   bool
	}{
		"no member":         {nothing, true},
		"before the layout": {func(w *world) { w.record.Layout = nil }, true},
		"joining":           {func(w *world) { w.record.Layout.Members[1].Phase = layout.Joining }, true},
		"dead":              {func(w *world) { w.dead[layout.ID{2}] = "it ended" }, true},
		"serving":           {func(*world) {}, false},
		"attached":          {func(w *world) { w.record.Layout.Members[1].Phase = layout.Attached }, false},
		"on another machine": {func(w *world) {
			nothing(w)
			w.pods["snow-0-255"].Spec.NodeName = "n"
		}, false},
		"it is being deleted": {func(w *world) {
			nothing(w)
			w.pods["snow-0-255"].DeletionTimestamp = new(metav1.NewTime(someTime))
		}, false},
	} {
		w := single(layout.Serving)
		w.now, w.asked = someTime, w.names
		w.pods["snow-0-255"].Spec.NodeName = "m"
		w.machines = map[string]*corev1.Node{"m": {Spec: corev1.NodeSpec{Unschedulable: true}}}
		tt.change(w)
		p := &plan{nodes: membership.Plan{Stay: w.names}}
		w.planDrops(p)
		if got := len(p.dropPods) == 1; got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// How many pods must stay.
func TestBudget(t *testing.T) {
	names, _ := layout.Names("snow", 3, 2)
	calm := func(copies int) *world {
		w := single(layout.Serving)
		w.names, _ = layout.Names("snow", 3, copies)
		w.record.Layout.Members = nil
		for _, n := range w.names {
			w.record.Layout.Members = append(w.record.Layout.Members, layout.Member{Name: n, Phase: layout.Serving})
		}
		return w
	}
	for name, tt := range map[string]struct {
		w      *world
		change func(w *world, p *plan)
		want   int
	}{
		"two copies":        {calm(2), func(*world, *plan) {}, 2},
		"one copy":          {calm(1), func(*world, *plan) {}, 3},
		"one goes":          {calm(2), func(_ *world, p *plan) { p.nodes.Stay = names[1:] }, 3},
		"one is to come":    {calm(2), func(_ *world, p *plan) { p.nodes.Stay = append(slices.Clone(names), layout.Name{Base: "x"}) }, 3},
		"one is away":       {calm(2), func(w *world, _ *plan) { w.record.Layout.Members = w.record.Layout.Members[1:] }, 3},
		"one joins":         {calm(2), func(w *world, _ *plan) { w.record.Layout.Members[0].Phase = layout.Joining }, 3},
		"one leaves":        {calm(2), func(w *world, _ *plan) { w.record.Layout.Members[0].Phase = layout.Leaving }, 3},
		"before the layout": {calm(2), func(w *world, _ *plan) { w.record.Layout = nil }, 3},
	} {
		p := &plan{nodes: membership.Plan{Stay: tt.w.names}}
		tt.change(tt.w, p)
		if got := tt.w.budget(p); got != tt.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// The set of a node that is no more goes, but not before its process knows of that.
func TestDropsOfSets(t *testing.T) {
	gone := layout.Name{Base: "ice", Range: layout.Range{Lo: 0, Hi: 255}}
	for name, tt := range map[string]struct {
		change func(w *world)
		want   bool
	}{
		"its process has heard":            {func(*world) {}, true},
		"its process has not":              {func(w *world) { w.sights[gone.String()].Status.Epoch = 3 }, false},
		"its process does not answer":      {func(w *world) { w.sights[gone.String()].Status = nil }, true},
		"it is somebody else's":            {func(w *world) { w.sets["ice-0"].OwnerReferences = nil }, false},
		"it is of a node that there is":    {func(w *world) { w.sets["ice-0"].Spec.Selector.MatchLabels[objects.NodeLabel] = "snow-0-255" }, false},
		"its label was edited by somebody": {func(w *world) { w.sets["ice-0"].Labels = nil }, true},
		"so was that of a node that there is": {func(w *world) {
			set := w.sets["ice-0"]
			set.Labels = nil
			set.Spec.Selector.MatchLabels[objects.NodeLabel] = "snow-0-255"
		}, false},
	} {
		w := single(layout.Serving)
		w.cluster.Name, w.cluster.UID = "snow", "u"
		w.cluster.Default()
		set := objects.StatefulSet(w.cluster, gone, "")
		w.sets = map[string]*appsv1.StatefulSet{set.Name: set}
		w.sights[gone.String()] = &roster.Sight{Target: roster.Target{Name: gone}, Status: &peer.Status{Epoch: 4}}
		tt.change(w)
		p := &plan{}
		w.planNodes(p, "")
		w.planDrops(p)
		if got := len(p.dropSets) == 1; got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
