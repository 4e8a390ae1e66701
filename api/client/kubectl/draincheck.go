package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/client/kubectl/ring"
	"github.com/eiri/seppen/api/client/verbs"
)

// The exit codes of drain-check besides 0.
const (
	exitLoss   = 1
	exitFailed = 2
)

// coded is an error with an exit code of its own.
type coded struct {
	error
	code int
}

// ExitCode is for verbs.ExitCode.
func (e coded) ExitCode() int { return e.code }

func (e coded) Unwrap() error { return e.error }

// failed is that drain-check could not find out; to be interrupted stays what it is.
func failed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.As(err, new(coded)) {
		return err
	}
	return coded{err, exitFailed}
}

func drainCheckCommand(p *plugin) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "drain-check POD|MACHINE",
		Short: "Tell whether data would be lost if a pod, or all on a machine, ended at once",
		Long: `Tell whether data would be lost if a pod, or all of Seppen's pods on a machine together,
ended at once: by force, by a power cut, or with no time left to hand over. kubectl drain
and kubectl delete pod need no such check: they wait until others have what the node holds.

pod/NAME and node/NAME tell apart what has the same name. For a machine the pods of one
namespace are looked at, or with -A those of all.

Exit codes: 0 nothing would be lost, 1 something would, 2 it is not known, or wrong usage.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeTargets,
		RunE: func(c *cobra.Command, args []string) error {
			a, err := p.connect()
			if err != nil {
				return failed(err)
			}
			return failed(a.drainCheck(c.Context(), args[0], all, c.OutOrStdout()))
		},
	}
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of a machine, the pods of all namespaces")
	return c
}

// doomedPods are the pods whose end is asked about.
type doomedPods struct {
	what    string // pod snow-0-84, or machine n2
	machine bool
	pods    []corev1.Pod
}

func (a *access) drainCheck(ctx context.Context, target string, all bool, out io.Writer) error {
	d, err := a.doomed(ctx, target, all)
	if err != nil {
		return err
	}
	where := "in namespace " + a.namespace
	if all && d.machine {
		where = "in all namespaces"
	}
	if len(d.pods) == 0 {
		fmt.Fprintf(out, "%s has no pods of Seppen %s: nothing would be lost.%s\n", d.what, where, elsewhere(d, all))
		return nil
	}
	byCluster := make(map[types.NamespacedName][]corev1.Pod)
	for _, pod := range d.pods {
		key := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[instanceLabel]}
		byCluster[key] = append(byCluster[key], pod)
	}
	safe := true
	for _, key := range slices.SortedFunc(maps.Keys(byCluster), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }) {
		v, err := a.judge(ctx, key, byCluster[key])
		if err != nil {
			return fmt.Errorf("cluster %s: %w", key, err)
		}
		v.print(out)
		safe = safe && v.safe()
	}
	if safe {
		fmt.Fprintf(out, "Nothing would be lost.%s\n", elsewhere(d, all))
		return nil
	}
	fmt.Fprint(out, advice(d))
	return coded{fmt.Errorf("if %s ended at once, data would be lost", d.what), exitLoss}
}

func elsewhere(d *doomedPods, all bool) string {
	if !d.machine || all {
		return ""
	}
	return " Other namespaces were not looked at; -A does."
}

func advice(d *doomedPods) string {
	how := "kubectl delete " + d.what
	if d.machine {
		how = "kubectl drain --ignore-daemonsets --delete-emptydir-data " + strings.TrimPrefix(d.what, "machine ")
	}
	return fmt.Sprintf(`What to do: %s
waits by itself until others have what is held here. Never use --force or a grace period
of your own; if time is short, ask again when this says that nothing would be lost.
`, how)
}

// doomed are the pods of a target. Pods that have ended hold nothing.
func (a *access) doomed(ctx context.Context, target string, all bool) (*doomedPods, error) {
	kind, name, typed := strings.Cut(target, "/")
	if !typed {
		kind, name = "", target
	}
	switch kind {
	case "", "pod", "pods", "node", "nodes", "machine":
	default:
		return nil, verbs.Usage(fmt.Errorf("%s: neither a pod nor a machine (pod/NAME or node/NAME)", target))
	}
	if kind == "" || strings.HasPrefix(kind, "pod") {
		pod := &corev1.Pod{}
		err := a.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: name}, pod)
		switch {
		case err == nil && !isNode(pod):
			return nil, fmt.Errorf("pod %s in namespace %s is not a node of a SeppenCluster", name, a.namespace)
		case err == nil:
			return &doomedPods{what: "pod " + name, pods: alive([]corev1.Pod{*pod})}, nil
		case !apierrors.IsNotFound(err):
			return nil, err
		case kind != "":
			return nil, fmt.Errorf("there is no pod %s in namespace %s", name, a.namespace)
		}
	}
	return a.machine(ctx, name, all)
}

func (a *access) machine(ctx context.Context, name string, all bool) (*doomedPods, error) {
	err := a.Get(ctx, types.NamespacedName{Name: name}, &corev1.Node{})
	// Who may not look at machines may still look at pods.
	if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		return nil, err
	}
	list := &corev1.PodList{}
	options := []client.ListOption{nodes("")}
	if !all {
		options = append(options, client.InNamespace(a.namespace))
	}
	if e := a.List(ctx, list, options...); e != nil {
		return nil, e
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName != name })
	if err != nil && len(pods) == 0 {
		return nil, fmt.Errorf("there is neither a pod %s in namespace %s nor a machine of that name: %w", name, a.namespace, err)
	}
	return &doomedPods{what: "machine " + name, machine: true, pods: alive(pods)}, nil
}

func isNode(p *corev1.Pod) bool {
	return p.Labels[nameLabel] == "seppen" && p.Labels[componentLabel] == "node"
}

func alive(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(pods, func(p corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
}

// verdict is what is found out of one cluster.
type verdict struct {
	cluster types.NamespacedName
	pods    []corev1.Pod
	slots   string   // of which no copy would be left
	reasons []string // what the operator says against single nodes
	warning string
}

func (v *verdict) safe() bool { return v.slots == "" && len(v.reasons) == 0 }

func (a *access) judge(ctx context.Context, key types.NamespacedName, pods []corev1.Pod) (*verdict, error) {
	v := &verdict{cluster: key, pods: pods}
	own := *a
	own.namespace = key.Namespace
	c, err := own.find(ctx, key.Name)
	if err != nil {
		return nil, err
	}
	l, err := a.layout(ctx, c)
	if err != nil {
		return nil, err
	}
	if l == nil {
		if c.Status.Epoch > 0 {
			return nil, errors.New("its layout is gone, so it is not known who holds what")
		}
		return v, nil // nobody holds anything yet
	}
	all, err := a.pods(ctx, c)
	if err != nil {
		return nil, err
	}
	doomed := make(map[types.UID]bool)
	for i := range pods {
		doomed[pods[i].UID] = true
	}
	v.slots = slotsText(lastCopies(c, l, all, doomed))
	for _, n := range c.Status.Nodes {
		if !n.SafeToDelete && slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Name == n.Name }) {
			v.reasons = append(v.reasons, fmt.Sprintf("%s: %s", n.Name, ring.Printable(n.SafeToDeleteReason)))
		}
	}
	if c.Status.Epoch != int64(l.Epoch) {
		v.warning = fmt.Sprintf("the status is of epoch %d, the layout of epoch %d: ask again in a moment", c.Status.Epoch, l.Epoch)
	}
	return v, nil
}

func (v *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "%s:\n", v.cluster)
	for i := range v.pods {
		fmt.Fprintf(out, "  pod %s on %s\n", v.pods[i].Name, v.pods[i].Spec.NodeName)
	}
	switch {
	case v.safe():
		fmt.Fprintln(out, "  safe: every slot of theirs has a copy elsewhere, or they hold nothing")
	case v.slots == "":
	case len(v.pods) == 1:
		fmt.Fprintf(out, "  NOT SAFE: there is no other copy of slots %s to rely on\n", v.slots)
	default:
		fmt.Fprintf(out, "  NOT SAFE: together they hold all copies of slots %s to rely on\n", v.slots)
	}
	for _, r := range v.reasons {
		fmt.Fprintf(out, "  NOT SAFE: %s\n", r)
	}
	if v.warning != "" {
		fmt.Fprintln(out, "  note: "+v.warning)
	}
}
