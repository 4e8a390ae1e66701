package kubectl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/api/v1alpha1"
)

// logging is what the flags of logs say.
type logging struct {
	follow, raw, operator bool
	since                 time.Duration
	tail                  int64
}

func logsCommand(p *plugin) *cobra.Command {
	var l logging
	c := &cobra.Command{
		Use:   "logs [NAME] [NODE...]",
		Short: "Print the logs of a cluster's nodes, merged in the order of time",
		Long: `Print the logs of a cluster's nodes, merged in the order of time, each line with its node
before it. Without NODEs, those of all. A NODE is a pod's name, or its range such as 85-169.

` + exitHelp,
		ValidArgsFunction: p.completeLogs,
		RunE: func(c *cobra.Command, args []string) error {
			if l.since < 0 || l.tail < -1 {
				return verbs.Usage(errors.New("--since and --tail are not negative"))
			}
			a, err := p.connect()
			if err != nil {
				return err
			}
			found, nodes, err := a.named(c.Context(), args)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(c.OutOrStdout())
			defer out.Flush() //nolint:errcheck // what was written before told
			j := &journal{access: a, cluster: found, nodes: nodes, logging: l, out: out, errors: c.ErrOrStderr(), known: make(map[types.UID]*source)}
			return j.run(c.Context(), p.pollPods)
		},
	}
	f := c.Flags()
	f.BoolVarP(&l.follow, "follow", "f", false, "go on, also with the nodes that come later")
	f.BoolVar(&l.raw, "raw", false, "print lines as they are, with nothing before them")
	f.BoolVar(&l.operator, "operator", false, "the operator's logs too, as far as they are about this cluster")
	f.DurationVar(&l.since, "since", 0, "only what is not older, such as 10m")
	f.Int64Var(&l.tail, "tail", -1, "only so many lines of each, the last ones; -1: all")
	return c
}

// named tells the cluster's name from nodes': the first argument is one, or a node of the
// only cluster there is.
func (a *access) named(ctx context.Context, args []string) (*v1alpha1.SeppenCluster, []string, error) {
	if len(args) == 0 {
		c, err := a.find(ctx, "")
		return c, nil, err
	}
	c := &v1alpha1.SeppenCluster{}
	err := a.Get(ctx, types.NamespacedName{Namespace: a.namespace, Name: args[0]}, c)
	if err == nil {
		return c, args[1:], nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, nil, explain(err)
	}
	c, err = a.find(ctx, "")
	if err != nil {
		return nil, nil, fmt.Errorf("%s is no SeppenCluster in namespace %s: %w", args[0], a.namespace, err)
	}
	return c, args, nil
}

// journal prints logs.
type journal struct {
	*access
	logging
	cluster *v1alpha1.SeppenCluster
	nodes   []string // empty: all
	out     *bufio.Writer
	errors  io.Writer
	known   map[types.UID]*source
	width   int // of the longest name so far
}

// find returns the pods whose logs are wanted.
func (j *journal) find(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := j.pods(ctx, j.cluster)
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return !j.wants(&p) })
	if !j.operator {
		return pods, nil
	}
	list := &corev1.PodList{}
	if err := j.List(ctx, list, client.MatchingLabels{nameLabel: "seppen", componentLabel: "operator"}); err != nil {
		return nil, fmt.Errorf("look for the operator's pods in all namespaces: %w", err)
	}
	return append(pods, list.Items...), nil
}

func (j *journal) wants(p *corev1.Pod) bool {
	return len(j.nodes) == 0 || slices.ContainsFunc(j.nodes, func(n string) bool { return isNamed(p, n) })
}

// begun tells whether a pod has begun to log.
func begun(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil || s.RestartCount > 0
	})
}

// run prints what there is, and then, if it is to follow, what comes.
func (j *journal) run(ctx context.Context, poll time.Duration) error {
	pods, err := j.find(ctx)
	if err != nil {
		return err
	}
	if err := j.complain(pods); err != nil {
		return err
	}
	var now []*source
	for i := range pods {
		if s := j.source(&pods[i]); begun(&pods[i]) {
			now = append(now, s)
		}
	}
	err = j.print(merge(ctx, now, j.opened))
	if !j.follow || err != nil && !errors.As(err, new(unread)) {
		return over(ctx, err)
	}
	if err != nil {
		fmt.Fprintln(j.errors, err)
	}
	return j.live(ctx, pods, poll)
}

// complain says which nodes were asked for and are not there.
func (j *journal) complain(pods []corev1.Pod) error {
	var missing []string
	for _, n := range j.nodes {
		if !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return isNamed(&p, n) }) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("cluster %s has no node %s", j.cluster.Name, missing[0])
	}
	return nil
}

// isNamed tells whether a pod is meant by a name or a range.
func isNamed(p *corev1.Pod, name string) bool { return p.Name == name || rangeOf(p.Name) == name }

// source is one pod's log. What it had once is not read again.
func (j *journal) source(p *corev1.Pod) *source {
	s := j.known[p.UID]
	if s == nil {
		s = &source{namespace: p.Namespace, pod: p.Name, operator: !isNode(p)}
		j.known[p.UID] = s
		j.width = max(j.width, len(p.Name))
	}
	return s
}

// opened reads a source's log up to now.
func (j *journal) opened(ctx context.Context, s *source) (io.ReadCloser, error) {
	o := &corev1.PodLogOptions{Container: j.containerOf(s), Timestamps: true}
	if j.since > 0 {
		o.SinceSeconds = new(max(int64(j.since.Seconds()), 1))
	}
	if j.tail >= 0 {
		o.TailLines = new(j.tail)
	}
	return j.logs(ctx, s.namespace, s.pod, o)
}

// containerOf: an operator's pod has one container, whatever its name is.
func (j *journal) containerOf(s *source) string {
	if s.operator {
		return ""
	}
	return container
}
