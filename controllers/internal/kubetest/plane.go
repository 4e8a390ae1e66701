package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Generous: other tests may have this machine's few cores at the same time.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	attempts     = 3
)

// plane is one control plane.
type plane struct {
	dir  string // all that it writes
	dog  *watchdog
	env  *envtest.Environment
	http *http.Client
	mgr  *manager // nil: none
}

// start starts a control plane; the function that it returns stops it.
func start(set *settings) (*Kube, func() error, error) {
	var errs []error
	// A port that was free may be taken by the time that a server wants it.
	for range attempts {
		p := &plane{}
		kube, err := p.start(set)
		if err == nil {
			return kube, p.stop, nil
		}
		errs = append(errs, err, p.stop())
	}
	return nil, nil, fmt.Errorf("start an API server: %w", errors.Join(errs...))
}

func (p *plane) start(set *settings) (*Kube, error) {
	crds, err := definitions()
	if err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "kubetest-"); err != nil {
		return nil, err
	}
	if p.dog, err = watch(p.dir); err != nil {
		return nil, err
	}
	if err := p.startAPI(crds); err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(p.dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, p.env.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	if len(set.controllers) > 0 {
		if p.mgr, err = startManager(p.dir, kubeconfig, set.controllers); err != nil {
			return nil, err
		}
	}
	kube := &Kube{Config: p.env.Config, Kubectl: p.env.ControlPlane.KubectlPath, Kubeconfig: kubeconfig}
	if p.http, err = rest.HTTPClientFor(kube.Config); err != nil {
		return nil, err
	}
	kube.Client, err = client.New(kube.Config, client.Options{HTTPClient: p.http, Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	if p.mgr != nil {
		return kube, p.mgr.await(kube.Client)
	}
	return kube, nil
}

// startAPI starts etcd and kube-apiserver and installs the definitions.
func (p *plane) startAPI(crds string) error {
	elsewhere := false
	p.env = &envtest.Environment{
		UseExistingCluster:       &elsewhere,
		CRDDirectoryPaths:        []string{crds},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  stopTimeout,
	}
	// Folders of ours, so that whoever removes p.dir removes all.
	etcd, api := &envtest.Etcd{DataDir: filepath.Join(p.dir, "data")}, p.env.ControlPlane.GetAPIServer()
	p.env.ControlPlane.Etcd = etcd
	api.CertDir = filepath.Join(p.dir, "pki")
	for _, d := range []string{etcd.DataDir, api.CertDir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	var err error
	if etcd.Path, err = program(p.dir, "etcd"); err != nil {
		return err
	}
	if api.Path, err = program(p.dir, "kube-apiserver"); err != nil {
		return err
	}
	if p.env.ControlPlane.KubectlPath, err = asset("kubectl"); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(p.dir, "kube-apiserver.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	api.Out, api.Err = log, log
	if _, err := p.env.Start(); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(log.Name()))
	}
	return nil
}

// stop stops what runs, the last first, and removes what it wrote.
func (p *plane) stop() error {
	var errs []error
	if p.mgr != nil {
		errs = append(errs, p.mgr.stop())
	}
	if p.http != nil {
		p.http.CloseIdleConnections()
	}
	if p.env != nil {
		errs = append(errs, p.env.Stop())
	}
	if p.dog != nil {
		errs = append(errs, p.dog.dismiss())
	}
	return errors.Join(errs...)
}

// definitions finds config/crd/bases from wherever in the repository the test runs.
func definitions() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "config", "crd", "bases"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = up
	}
}
