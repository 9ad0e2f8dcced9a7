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
	wrote, err := in.execute(ctx, link{OrderID: orderID, Category: c}, alarm, alarm.Key, "")
	if err != nil {
		return false, fmt.Errorf("raise %s on order %s: %w", alarm.Code, orderID, err)
	}
	return wrote.Events > 0, nil
}

// RecordGatewayAnswer appends to an order's stream what became of a call to the gateway.
func (in *Intake) RecordGatewayAnswer(ctx context.Context, c order.Category, orderID string, answer order.RecordGatewayAnswer) (Written, error) {
	wrote, err := in.execute(ctx, link{OrderID: orderID, Category: c}, answer, "answered:"+answer.Answer.CommandID, "")
	if err != nil {
		return Written{}, fmt.Errorf("record on order %s what the gateway answered: %w", orderID, err)
	}
	return wrote, nil
}

// RecordErasure appends to an order's stream that its personal data was erased, once.
func (in *Intake) RecordErasure(ctx context.Context, c order.Category, orderID string, erasure order.RecordErasure, actor string) error {
	if _, err := in.execute(ctx, link{OrderID: orderID, Category: c}, erasure, erasure.SubjectRef, actor); err != nil {
		return fmt.Errorf("record the erasure of order %s: %w", orderID, err)
	}
	return nil
}

// Written is what was appended to an order's stream at once: how many events, and where the last of them stands.
type Written struct {
	Events   int
	Revision uint64
	Position eventstore.Position
}

// execute decides a command on the state as it is and appends, again when somebody else was faster.
func (in *Intake) execute(ctx context.Context, target link, cmd order.Command, key, actor string) (Written, error) {
	for attempt := range appendAttemptsMax {
		wrote, err := in.tryCommand(ctx, target, cmd, key, actor)
		var wrong *eventstore.WrongExpectedRevisionError
		if !errors.As(err, &wrong) {
			return wrote, err
		}
		if err := pause(ctx, attempt); err != nil {
			return Written{}, err
		}
	}
	return Written{}, fmt.Errorf("%w: %d attempts lost against other writers", eventstore.ErrUnavailable, appendAttemptsMax)
}

func (in *Intake) tryCommand(ctx context.Context, target link, cmd order.Command, key, actor string) (Written, error) {
	defer in.orders.lock(target.OrderID)()
	state, err := in.load(ctx, target)
	if err != nil {
		return Written{}, err
	}
	decided, err := decide(target, state, cmd)
	if err != nil || len(decided) == 0 {
		return Written{}, err
	}
	now := in.clock().UTC()
	result, err := in.append(ctx, target, state, decided, envelope{
		notification:   Notification{Gateway: state.Source, Account: state.SourceAccount, ReceivedAt: now.Truncate(time.Microsecond)},
		notificationID: in.ids.next(now), eventID: key, actor: actor, recordedAt: now,
	})
	if err != nil {
		return Written{}, err
	}
	return Written{Events: len(decided), Revision: result.Revision, Position: result.Position}, nil
}
