package decta

import (
	"slices"
	"strconv"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/order"
)

// historyExpected is how many entries most histories do not exceed.
const historyExpected = 8

// entry is one status of the order's history.
type entry struct {
	status   string // normalised
	verbatim string
	at       time.Time // zero when not told
	// n counts equal statuses of the same second, from 0.
	n     int
	basis order.Basis
}

// factAt is the identity and time of what an entry says.
func (r *reading) factAt(e entry) order.At {
	second := "-"
	if !e.at.IsZero() {
		second = strconv.FormatInt(e.at.Unix(), 10)
	}
	return order.At{
		Key:        r.key + ":status:" + e.status + ":" + second + ":" + strconv.Itoa(e.n),
		OccurredAt: e.at, Basis: e.basis, Status: e.verbatim,
	}
}

// readHistory reads the gate's history, oldest first, and the present status.
func (r *reading) readHistory() {
	changes := r.root.Get("status_changes")
	if changes.Present() && changes.Kind() != wire.Array {
		r.anomaly(order.FlagMalformedBody, changes.Path(), "member "+changes.Path()+" is "+changes.Kind().String()+", want an array")
	}
	r.history = make([]entry, 0, historyExpected)
	for item := range changes.Elements() {
		verbatim := r.statusOf(item.Get("new_status"))
		if status := normalise(verbatim); status != "" {
			r.history = append(r.history, entry{
				status: status, verbatim: verbatim, at: r.timeOf(item.Get("on")), basis: order.BasisStatusChange,
			})
		}
	}
	sortHistory(r.history, r.modified)
	r.presentStatus()
	type moment struct {
		status string
		second int64
	}
	times := make(map[moment]int, len(r.history))
	for i := range r.history {
		e := &r.history[i]
		m := moment{e.status, e.at.Unix()}
		e.n = times[m]
		times[m]++
		if e.at.IsZero() {
			e.basis = order.BasisReceived
		}
		if isAttempt(e.status) {
			r.lastAttempt = i
		}
	}
}

// presentStatus adds the body's own status to the history unless it is there:
// as the last entry, or as one of the same second as the last.
func (r *reading) presentStatus() {
	verbatim := r.statusOf(r.root.Get("status"))
	status := normalise(verbatim)
	r.out.Status = verbatim
	if status == "" {
		return
	}
	for i := len(r.history) - 1; i >= 0 && r.history[i].at.Equal(r.history[len(r.history)-1].at); i-- {
		if r.history[i].status == status {
			return
		}
	}
	at := r.modified
	if at.IsZero() {
		at = r.ownTime(status)
	}
	r.history = append(r.history, entry{status: status, verbatim: verbatim, at: at, basis: order.BasisSourceField})
}

// absurdAfter is how long after the body's own time an entry cannot be: its time is a fault of a clock.
const absurdAfter = 366 * 24 * time.Hour

// sortHistory orders entries by time. The gate's own order decides between
// equal times; an entry without time, or with one that cannot be true of a
// body of that time, stays behind the one before it.
func sortHistory(history []entry, modified time.Time) {
	timeless := func(e entry) bool {
		return e.at.IsZero() || (!modified.IsZero() && e.at.Sub(modified) > absurdAfter)
	}
	inOrder := true
	var newest time.Time
	for _, e := range history {
		inOrder = inOrder && (timeless(e) || !e.at.Before(newest))
		if timeless(e) {
			continue
		}
		if e.at.After(newest) {
			newest = e.at
		}
	}
	if inOrder {
		return
	}
	type placed struct {
		entry
		place time.Time
	}
	all := make([]placed, len(history))
	var place time.Time
	for i, e := range history {
		if !timeless(e) {
			place = e.at
		}
		all[i] = placed{entry: e, place: place}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return a.place.Compare(b.place) })
	for i := range all {
		history[i] = all[i].entry
	}
}

// statusOf reads a status, which is a string or an object that names it.
func (r *reading) statusOf(v wire.Value) string {
	named := v
	if v.Kind() == wire.Object {
		named = v.First("status", "name", "code")
	}
	switch named.Kind() {
	case wire.Bool, wire.Array, wire.Object:
		r.anomaly(order.FlagMalformedBody, v.Path(), "member "+v.Path()+" is "+v.Kind().String()+", want a status")
		return ""
	default:
		return r.label(named)
	}
}

// ownTime is the time that a body has for its own status besides "modified".
func (r *reading) ownTime(status string) time.Time {
	switch status {
	case statusIssued:
		return r.issued
	case statusViewed:
		return r.timeOf(r.root.Get("viewed"))
	case statusPaid, statusReceived:
		if r.paid.IsZero() {
			return r.captured
		}
		return r.paid
	}
	return time.Time{}
}

func (r *reading) has(status string) bool { return r.first(status).status != "" }

// first is the oldest entry of a status; the zero entry when there is none.
func (r *reading) first(status string) entry {
	for _, e := range r.history {
		if e.status == status {
			return e
		}
	}
	return entry{}
}

// isNewest tells whether nothing came after an entry.
func (r *reading) isNewest(e entry) bool { return e == r.history[len(r.history)-1] }

// isLastAttempt tells whether no attempt came after that of an entry.
func (r *reading) isLastAttempt(e entry) bool { return e == r.history[r.lastAttempt] }
