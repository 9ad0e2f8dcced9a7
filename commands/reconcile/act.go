package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// actionTimeout bounds what a command waits for the gateway.
const actionTimeout = 25 * time.Second

// Offers tells whether an account's gateway can be asked to do something, to a payment made by a method.
func (r *Reconciler) Offers(gateway, account string, action order.ActionName, method string) bool {
	a := r.accounts[gateway+"/"+account]
	return a != nil && a.Client != nil && a.Client.Offers(action, method)
}

// CarryOut asks the gateway for what a command has recorded as initiated, once, and records what became
// of it. creation is for a command that creates an order at the gateway: what only the caller knows of
// it, and personal data. The answer is zero when the command asked nothing of the gateway.
//
// A command that is repeated is not asked for again: its answer is what is known by now. What a crash between
// record and call, or a lost answer, leaves open is finished by Run where the gateway repeats the action
// (commands.Gateway.Repeats); elsewhere it stays open, with an alarm, rather than being paid twice.
func (r *Reconciler) CarryOut(ctx context.Context, done *commands.Done, creation commands.GatewayOrder) (order.GatewayActionAnswered, error) {
	s := &done.State
	i := slices.IndexFunc(s.GatewayActions, func(a order.GatewayAction) bool { return a.CommandID == done.CommandID })
	if i < 0 {
		return order.GatewayActionAnswered{}, nil
	}
	if done.Replayed {
		return r.answered(ctx, done)
	}
	a := r.accounts[s.Source+"/"+s.SourceAccount]
	if a == nil || a.Client == nil {
		return order.GatewayActionAnswered{}, fmt.Errorf("account %s/%s: %w", s.Source, s.SourceAccount, commands.ErrGatewayCannot)
	}
	// What was begun is brought to its end, whether or not the caller still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionTimeout)
	defer cancel()
	duplicate := false
	answer, err := r.perform(ctx, a, done.Category, s, &s.GatewayActions[i], creation, func(receipt commands.Receipt) {
		duplicate = duplicate || receipt.Outcome == commands.Duplicate
		if receipt.OrderID == done.OrderID {
			done.Led(receipt.Written)
			return
		}
		done.Reached(receipt.Position)
	})
	if err == nil && duplicate { // a webhook has told it meanwhile
		err = r.reachOrder(ctx, done)
	}
	return answer, err
}

// reachOrder notes that what the order is by now belongs to what the caller is told.
func (r *Reconciler) reachOrder(ctx context.Context, done *commands.Done) error {
	now, err := r.c.Intake.Load(ctx, done.Category, done.OrderID)
	if err == nil {
		done.Reached(eventstore.Position{Commit: now.Position, Prepare: now.Position})
	}
	return err
}

// perform asks the gateway, and records what came of it; wrote is told each time something was.
func (r *Reconciler) perform(
	ctx context.Context, a *account, category order.Category, s *order.State, asked *order.GatewayAction, creation commands.GatewayOrder,
	wrote func(commands.Receipt),
) (order.GatewayActionAnswered, error) {
	answer := order.GatewayActionAnswered{CommandID: asked.CommandID, Outcome: order.GatewayAccepted}
	told, err := call(ctx, a.Client, s, asked, creation)
	switch {
	case err == nil:
		answer.Checkout, answer.Links = told.Checkout, told.Links
		if asked.Action == order.ActionRegister {
			answer.SourceOrderID = cmp.Or(told.OrderID, told.PaymentID)
		}
	case nothingDone(err):
		answer.Outcome, answer.Reason = order.GatewayRefused, reason(err)
	default:
		answer.Outcome, answer.Reason = order.GatewayUnknown, reason(err)
	}
	logger := r.c.Logger.With(slog.String("order_id", s.ID), slog.String("gateway", s.Source), slog.String("action", string(asked.Action)))
	if err != nil {
		logger.WarnContext(ctx, "the gateway did not carry out a command", slog.String("outcome", string(answer.Outcome)), slog.Any("error", err))
	}
	record := order.RecordGatewayAnswer{Answer: answer, At: r.c.Clock().UTC()}
	recorded, err := r.c.Intake.RecordGatewayAnswer(context.WithoutCancel(ctx), category, s.ID, record)
	if err != nil {
		return order.GatewayActionAnswered{}, err
	}
	wrote(commands.Receipt{OrderID: s.ID, Position: recorded.Position, Written: recorded})
	if answer.Outcome == order.GatewayAccepted {
		if err := r.learn(ctx, a.Client, s, &told, wrote); err != nil { // it is asked again, until it tells
			logger.WarnContext(ctx, "the gateway does not tell yet what a command changed", slog.Any("error", err))
		}
	}
	return answer, nil
}

// finishAfter is how long after a call began nobody works on it any more.
const finishAfter = 2 * actionTimeout

// finishes tells whether an action is to be asked for again: its answer is not known, and the gateway
// carries it out once however often it is asked.
func (r *Reconciler) finishes(a *account, asked *order.GatewayAction) bool {
	return a.Client != nil && r.c.Clock().Sub(asked.InitiatedAt) < r.c.Lookback && (asked.Outcome == "" || asked.Outcome == order.GatewayUnknown) && a.Client.Repeats(asked.Action)
}

// finish asks again for what a process that has died, or an answer that was lost, left open, as far as that
// cannot be carried out twice. done tells whether the order has news.
func (r *Reconciler) finish(ctx context.Context, a *account, category order.Category, s *order.State) (done bool, err error) {
	for i := range s.GatewayActions {
		asked := &s.GatewayActions[i]
		if !r.finishes(a, asked) || r.c.Clock().Sub(asked.InitiatedAt) < finishAfter {
			continue
		}
		var creation commands.GatewayOrder
		if asked.Action == order.ActionRegister {
			if r.c.Creation == nil {
				continue
			}
			if creation, err = r.c.Creation(ctx, category, s.ID, asked.CommandID); err != nil {
				return done, fmt.Errorf("finish the creation of order %s: %w", s.ID, err)
			}
		}
		ctx, cancel := context.WithTimeout(ctx, actionTimeout)
		answer, err := r.perform(ctx, a, category, s, asked, creation, func(commands.Receipt) {})
		cancel()
		if err != nil {
			return done, err
		}
		done = done || answer.Outcome != order.GatewayUnknown
	}
	return done, nil
}

// answered is what became of a command that was carried out before.
func (r *Reconciler) answered(ctx context.Context, done *commands.Done) (order.GatewayActionAnswered, error) {
	answer := order.GatewayActionAnswered{CommandID: done.CommandID, Outcome: order.GatewayUnknown, Reason: "not_answered"}
	now, err := r.c.Intake.Load(ctx, done.Category, done.OrderID)
	if err != nil {
		return answer, fmt.Errorf("look for the answer to command %s: %w", done.CommandID, err)
	}
	done.Reached(eventstore.Position{Commit: now.Position, Prepare: now.Position})
	for i := range now.GatewayActions {
		if a := &now.GatewayActions[i]; a.CommandID == done.CommandID && a.Outcome != "" {
			answer.Outcome, answer.Reason, answer.SourceOrderID, answer.Checkout, answer.Links = a.Outcome, a.Reason, a.SourceOrderID, a.Checkout, a.Links
			if a.Action == order.ActionRegister && a.Outcome == order.GatewayUnknown && now.SourceOrderID != "" {
				// The gateway has told of the order since.
				answer.Outcome, answer.Reason, answer.SourceOrderID = order.GatewayAccepted, "", now.SourceOrderID
			}
		}
	}
	return answer, nil
}

// learn records what the gateway tells of an order after it did something.
func (r *Reconciler) learn(ctx context.Context, g commands.Gateway, s *order.State, told *commands.GatewayAnswer, wrote func(commands.Receipt)) error {
	if len(refs(s)) > 0 {
		return r.ask(ctx, g, s, wrote)
	}
	created := commands.GatewayRefs{OrderID: told.OrderID} // the order does not know yet
	if told.PaymentID != "" && told.PaymentID != told.OrderID {
		created.PaymentIDs = []string{told.PaymentID}
	}
	return r.fetch(ctx, g, created, wrote)
}

func call(
	ctx context.Context, g commands.Gateway, s *order.State, a *order.GatewayAction, creation commands.GatewayOrder,
) (commands.GatewayAnswer, error) {
	if a.Action == order.ActionRegister {
		creation.InstructionID, creation.Reference = s.ID, s.MerchantReference
		creation.Amount, creation.DueAt, creation.IsTest = s.AmountDue, s.DueAt, s.IsTest
		return g.Create(ctx, creation)
	}
	to := commands.GatewayRefs{OrderID: s.SourceOrderID}
	if i := slices.IndexFunc(s.Payments, func(p order.Payment) bool { return p.ID == a.PaymentID }); i >= 0 {
		to.PaymentIDs = []string{s.Payments[i].SourceID}
		to.OrderID = cmp.Or(s.Payments[i].SourceOrderID, to.OrderID)
	}
	switch a.Action {
	case order.ActionRefund:
		refund := commands.GatewayRefund{InstructionID: a.RefundID, Amount: *a.Amount}
		if len(to.PaymentIDs) > 0 {
			refund.PaymentID = to.PaymentIDs[0]
		}
		return g.Refund(ctx, to, refund)
	case order.ActionReverse:
		return g.Reverse(ctx, to)
	case order.ActionCapture:
		return g.Capture(ctx, to, a.Amount)
	case order.ActionVoid, order.ActionCancel, order.ActionReject:
		return g.Cancel(ctx, to)
	case order.ActionWithdraw:
		return g.Withdraw(ctx, to)
	case order.ActionReceived:
		return g.MarkReceived(ctx, to)
	case order.ActionChangeAmount:
		return g.ChangeAmount(ctx, to, commands.GatewayChange{Amount: *a.Amount, RefundLimitPercent: s.RefundLimitPercent})
	case order.ActionRegister, order.ActionAcceptDispute, order.ActionRepresent, order.ActionResolveDispute, order.ActionProvisionDispute,
		order.ActionRecordDispute, order.ActionCompleteRefund, order.ActionFailRefund,
		order.ActionProposeCorrection, order.ActionApproveCorrection, order.ActionDeclineCorrection, order.ActionResolveAnomaly:
	}
	return commands.GatewayAnswer{}, fmt.Errorf("%s: %w", a.Action, commands.ErrGatewayCannot)
}

// nothingDone tells errors after which nothing has happened at the gateway from those that leave it open.
func nothingDone(err error) bool {
	var status *httpcall.StatusError
	switch {
	case errors.Is(err, httpcall.ErrOutcomeUnknown):
		return false
	case errors.Is(err, httpcall.ErrUnavailable), errors.Is(err, commands.ErrGatewayCannot):
		return true
	case errors.As(err, &status):
		return status.Status >= http.StatusBadRequest && status.Status < http.StatusInternalServerError &&
			status.Status != http.StatusRequestTimeout
	}
	return false
}

// reason is the gateway's code, or ours.
func reason(err error) string {
	var status *httpcall.StatusError
	switch {
	case errors.As(err, &status) && status.Code != "":
		return status.Code
	case errors.As(err, &status):
		return fmt.Sprintf("http_%d", status.Status)
	case errors.Is(err, commands.ErrGatewayCannot):
		return "not_offered"
	case errors.Is(err, httpcall.ErrUnavailable):
		return "not_reached"
	}
	return "answer_lost"
}
