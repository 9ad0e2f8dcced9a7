package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Load folds the stream of an order as it is now.
func (in *Intake) Load(ctx context.Context, c order.Category, orderID string) (order.State, error) {
	defer in.orders.lock(orderID)()
	in.orders.drop(orderID) // other processes may have written
	state, err := in.load(ctx, link{OrderID: orderID, Category: c})
	if err != nil {
		return order.State{}, err
	}
	return state.Clone(), nil
}

// RaiseAlarm appends an alarm to an order's stream, once for each key; raised is false when it was
// there already.
func (in *Intake) RaiseAlarm(ctx context.Context, c order.Category, orderID string, alarm order.RaiseAlarm) (raised bool, err error) {
	for attempt := range appendAttemptsMax {
		raised, err := in.tryAlarm(ctx, c, orderID, alarm)
		var wrong *eventstore.WrongExpectedRevisionError
		if !errors.As(err, &wrong) {
			return raised, err
		}
		if err := pause(ctx, attempt); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("raise %s on order %s: %w: %d attempts lost against other writers",
		alarm.Code, orderID, eventstore.ErrUnavailable, appendAttemptsMax)
}

func (in *Intake) tryAlarm(ctx context.Context, c order.Category, orderID string, alarm order.RaiseAlarm) (bool, error) {
	defer in.orders.lock(orderID)()
	target := link{OrderID: orderID, Category: c}
	state, err := in.load(ctx, target)
	if err != nil {
		return false, err
	}
	decided, err := order.Decide(*state, alarm)
	if err != nil || len(decided) == 0 {
		return false, err
	}
	now := in.clock().UTC()
	_, err = in.append(ctx, target, state, decided, envelope{
		notification:   Notification{Gateway: state.Source, Account: state.SourceAccount, ReceivedAt: now.Truncate(time.Microsecond)},
		notificationID: in.ids.next(now), eventID: alarm.Key, recordedAt: now,
	})
	return err == nil, err
}
