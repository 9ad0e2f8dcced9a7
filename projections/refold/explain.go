package refold

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// Explanation is how an order came to be what it is.
type Explanation struct {
	OrderID string `json:"order_id"`
	Stream  string `json:"stream"`
	Steps   []Step `json:"steps"`
	// Parked says why the fold ended before the end of the stream.
	Parked string `json:"parked,omitempty"`
	// Result is what the log says about the order, nil when nothing.
	Result *detail.Order `json:"result"`
}

// Step is one event and what it changed.
type Step struct {
	Place
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata"`
	// Changes are the fields that show something else after the event; an event may change none.
	Changes []detail.Change `json:"changes"`
	// HeldBack: the event is not folded, because it or one before it cannot be.
	HeldBack bool `json:"held_back,omitempty"`
}

// Explain folds an order from the log, all of it, and tells after each event what changed.
func Explain(ctx context.Context, log eventstore.Reader, stream string) (Explanation, error) {
	f := newFold(stream)
	e := Explanation{OrderID: f.id, Stream: stream, Steps: []Step{}}
	var before *detail.Order
	for s, err := range steps(ctx, log, stream) {
		if err != nil {
			return Explanation{}, err
		}
		told := Step{
			Place: s.place(), Data: storable.JSON(s.event.Data, false), Metadata: storable.JSON(s.event.Metadata, false),
			Changes: []detail.Change{}, HeldBack: e.Parked != "",
		}
		var unfoldable *UnfoldableError
		if e.Parked == "" && errors.As(f.apply(&s), &unfoldable) {
			e.Parked, told.HeldBack = unfoldable.Error(), true
		}
		now := f.shown()
		changes, err := detail.Diff(before, now)
		if err != nil {
			return Explanation{}, err
		}
		for _, c := range changes {
			if !bookkeeping(c.Field) {
				told.Changes = append(told.Changes, c)
			}
		}
		before = now
		e.Steps = append(e.Steps, told)
	}
	e.Result = before
	return e, e.hideErased()
}

// bookkeeping tells the fields that follow from which event is the newest: the step itself says them already.
func bookkeeping(field string) bool {
	switch field[strings.LastIndexByte(field, '.')+1:] {
	case "revision", "position", "event_id":
		return true
	}
	return field == "order.last_recorded_at" || field == "payout.last_recorded_at"
}

// hideErased shows sealed values of an order that was erased as what they are: gone.
func (e *Explanation) hideErased() error {
	if !slices.ContainsFunc(e.Steps, func(s Step) bool { return s.EventType == (order.PersonalDataErased{}).EventType() }) {
		return nil
	}
	for i := range e.Steps {
		var members map[string]json.RawMessage
		if s := &e.Steps[i]; s.EventType != (order.CommandRecorded{}).EventType() || json.Unmarshal(s.Data, &members) != nil || members["sealed"] == nil {
			continue
		}
		members["sealed"] = json.RawMessage(`"[erased]"`)
		var err error
		if e.Steps[i].Data, err = json.Marshal(members); err != nil {
			return err
		}
	}
	return nil
}
