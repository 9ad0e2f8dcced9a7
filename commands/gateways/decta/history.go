package decta

import (
	"fmt"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/order"
)

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
		second = fmt.Sprint(e.at.Unix())
	}
	return order.At{
		Key:        fmt.Sprintf("%s:%s:status:%s:%s:%d", gateway, r.id, e.status, second, e.n),
		OccurredAt: e.at, Basis: e.basis, Status: e.verbatim,
	}
}

// readHistory reads the gate's history and the present status.
func (r *reading) readHistory() {
	for item := range r.root.Get("status_changes").Elements() {
		named := item.Get("new_status")
		if named.Kind() == wire.Object {
			named = named.First("status", "name", "code")
		}
		r.remember(r.label(named), r.timeOf(item.Get("on")), order.BasisStatusChange)
	}
	verbatim := r.label(r.root.Get("status"))
	r.status, r.out.Status = normalise(verbatim), verbatim
	if r.status == "" || (len(r.history) > 0 && r.history[len(r.history)-1].status == r.status) {
		return
	}
	at, basis := r.modified, order.BasisSourceField
	if at.IsZero() {
		at = r.ownTime()
	}
	if at.IsZero() {
		basis = order.BasisReceived
	}
	r.remember(verbatim, at, basis)
}

// ownTime is the time that a body has for its own status besides "modified".
func (r *reading) ownTime() time.Time {
	switch r.status {
	case statusIssued, statusViewed, statusPaid:
		return r.time(r.status)
	case statusReceived:
		return r.time("paid")
	}
	return time.Time{}
}

func (r *reading) remember(verbatim string, at time.Time, basis order.Basis) {
	status := normalise(verbatim)
	if status == "" {
		return
	}
	e := entry{status: status, verbatim: verbatim, at: at, basis: basis}
	for _, known := range r.history {
		if known.status == status && known.at.Equal(at) {
			e.n++
		}
	}
	r.history = append(r.history, e)
}

func (r *reading) has(status string) bool { return r.first(status).status != "" }

func (r *reading) first(status string) entry {
	for _, e := range r.history {
		if e.status == status {
			return e
		}
	}
	return entry{}
}
