// Package kubectl is the plugin of kubectl for Seppen: status, scale, restart, drain-check
// and logs of a cluster, with kubectl's flags for which Kubernetes and which namespace.
package kubectl

import (
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eiri/seppen/api/client/verbs"
)

// Plugin is the name under which kubectl finds the program, and Completion the one under
// which it asks it for completions.
const (
	Plugin     = "kubectl-seppen"
	Completion = "kubectl_complete-seppen"
)

// Command is the plugin, under a name: Plugin where it is the program itself.
func Command(name string) *cobra.Command {
	return newCommand(name, &plugin{now: time.Now, pollPods: 2 * time.Second, retryAfter: time.Second})
}

// plugin is what all commands share.
type plugin struct {
	kubeconfig string
	overrides  clientcmd.ConfigOverrides
	connected  *access // nil: the flags say where
	now        func() time.Time
	pollPods   time.Duration // how often to look for pods whose logs are followed
	retryAfter time.Duration // after a watch ended
}

const exitHelp = `Exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted; those of drain-check
are its own.`

func newCommand(name string, p *plugin) *cobra.Command {
	c := &cobra.Command{
		Use:   name,
		Short: "Look after clusters on Kubernetes, as a plugin of kubectl",
		Long: `Look after SeppenClusters. A cluster's NAME can be left out where the namespace has
but one.

` + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          func(c *cobra.Command, args []string) error { return verbs.Usage(cobra.NoArgs(c, args)) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	if name == Plugin {
		c.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl seppen"}
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return verbs.Usage(err) })
	f := c.PersistentFlags()
	f.StringVar(&p.kubeconfig, "kubeconfig", "", "the kubeconfig file to use (or KUBECONFIG)")
	clientcmd.BindOverrideFlags(&p.overrides, f, clientcmd.RecommendedConfigOverrideFlags(""))
	c.AddCommand(statusCommand(p), scaleCommand(p), restartCommand(p), drainCheckCommand(p), logsCommand(p))
	for _, sub := range c.Commands() {
		if args := sub.Args; args != nil {
			sub.Args = func(c *cobra.Command, given []string) error { return verbs.Usage(args(c, given)) }
		}
	}
	must(c.RegisterFlagCompletionFunc("namespace", p.completeNamespaces))
	return c
}

// must is for what fails only if the program is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
