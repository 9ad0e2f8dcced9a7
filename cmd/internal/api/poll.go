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

// settled is how long after a change nothing older can come into the views. Until then more of the same second may:
// Last-Modified, which has seconds only, is given one early, so that nobody who asks by it is told that all is as it
// was when it is not.
const settled = time.Minute

// Conditional says which revision of an order an answer is of, and when to ask again: who waits as long as
// nothing happened asks at growing intervals. To who has the revision it answers 304, and returns true.
func Conditional(w http.ResponseWriter, r *http.Request, found *detail.Order, now time.Time) bool {
	tag := `"` + strconv.FormatUint(found.Revision(), 10) + `"`
	changed := found.LastRecordedAt()
	h := w.Header()
	h.Set("ETag", tag)
	second := changed.UTC().Truncate(time.Second)
	if now.Sub(changed) < settled {
		second = second.Add(-time.Second)
	}
	h.Set("Last-Modified", second.Format(http.TimeFormat))
	if found.Open() {
		h.Set("Retry-After", strconv.Itoa(pollAgain(changed, now)))
	}
	// Only the very time is what it was: a clock that was put back records news under an earlier one.
	if since, err := http.ParseTime(r.Header.Get("If-Modified-Since")); err == nil && r.Header.Get("If-None-Match") == "" && changed.Truncate(time.Second).Equal(since) {
		w.WriteHeader(http.StatusNotModified)
		return true
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
