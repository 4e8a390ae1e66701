package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// An operator that ends may still be looking at a cluster: it connects to no node any more, as nobody
// would ever end that.
func TestClosedRosters(t *testing.T) {
	secret, err := uid.NewSecret([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rosters{}
	key := types.NamespacedName{Name: "snow"}
	if r.of(key, layout.ID{1}, secret) == nil {
		t.Error("there is none before")
	}
	r.close()
	if late := r.of(key, layout.ID{1}, secret); late != nil {
		late.Stop()
		t.Error("there is one afterwards")
	}
}
