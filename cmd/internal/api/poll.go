package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/projections/detail"
)

// Polling advice, in seconds.
const (
	pollAgainMin = 5
	pollAgainMax = 900
)

// Conditional says which revision of an order an answer is of, and when to ask again: who waits as long as
// nothing happened asks at growing intervals. To who has the revision it answers 304, and returns true.
func Conditional(w http.ResponseWriter, r *http.Request, found *detail.Order, now time.Time) bool {
	tag := `"` + strconv.FormatUint(found.Revision(), 10) + `"`
	changed := found.LastRecordedAt()
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Last-Modified", changed.UTC().Format(http.TimeFormat))
	if found.Open() {
		h.Set("Retry-After", strconv.Itoa(pollAgain(changed, now)))
	}
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/"); candidate == tag || candidate == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// pollAgain is when to ask again about what last changed then, in seconds: the longer nothing happened, the
// later.
func pollAgain(changed, now time.Time) int {
	return max(pollAgainMin, min(int(now.Sub(changed).Seconds()), pollAgainMax))
}
