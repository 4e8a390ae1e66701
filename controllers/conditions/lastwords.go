package conditions

import (
	"encoding/json"
	"strings"
)

// lastWords is what a process left to be said. A kubelet takes the end of its log for that,
// which tells mostly of ordinary work: of its records only errors explain an end. The first
// one may be cut off, and is then left out.
func lastWords(log string) string {
	var kept []string
	records := strings.Contains(log, `"level":"`)
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		var r struct{ Level, Msg, Error string }
		switch {
		case json.Unmarshal([]byte(line), &r) != nil:
			if !records || !strings.HasSuffix(line, "}") {
				kept = append(kept, line)
			}
		case r.Level == "ERROR" && r.Error != "":
			kept = append(kept, r.Msg+": "+r.Error)
		case r.Level == "ERROR":
			kept = append(kept, r.Msg)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}
