package controllers

// What the operator may do, and nothing it could do without: hack/generate.sh makes
// config/rbac/role.yaml and the chart's rules of it. Secrets and layouts (ConfigMaps) are
// read where their name is known, never listed; a Secret is made and never changed. A Node
// is read where a pod that holds something is bound to it: is it being emptied, or does it have
// the taint out-of-service? Nodes are in no namespace, so an operator of some namespaces only
// may not, and goes without both. What concerns the operator's own namespace alone (its
// lease) is in config/rbac/leader_election_role.yaml.
//
// +kubebuilder:rbac:groups=seppen.io,resources=seppenclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=seppen.io,resources=seppenclusters/status,verbs=update
// +kubebuilder:rbac:groups=seppen.io,resources=seppenclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;create;update
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch
