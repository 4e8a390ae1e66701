package admin

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/eiri/seppen/api/peer"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("status").Funcs(template.FuncMap{"bytes": humanBytes, "reachable": reachable}).Parse(pageHTML))

// page shows the node's status to people.
func page(w http.ResponseWriter, s peer.Status) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	pageTemplate.Execute(w, s) //nolint:errcheck // nobody is left to tell
}

// reachable is yes or no, or empty if it is not known.
func reachable(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	}
	return "no"
}

func humanBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for ; f >= unit && i < 4; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}
