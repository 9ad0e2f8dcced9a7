package projections

import (
	"errors"
	"fmt"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/invariant"
)

// filled tells how far the rows of an order's parts were filled before an order was added.
type filled struct{ payments, disputes, steps int }

func (r *rows) filled() filled {
	return filled{payments: r.payments.Len(), disputes: r.disputes.Len(), steps: r.disputes.Steps()}
}

// agree makes sure that the rows of the live order that was added last agree with each other, as they
// will be written: what is captured and settled is the sum over its payments, what disputes hold and
// have lost is the sum over them and no less than their timelines took away, and whether it is paid
// follows from the amounts. It reads the rows and not the state they were made of.
func (r *rows) agree(from filled) error {
	row, err := r.live.Last()
	if err != nil {
		return err
	}
	captured, settled, err := r.payments.Totals(from.payments)
	if err != nil {
		return err
	}
	held, lost, err := r.disputes.Totals(from.disputes)
	if err != nil {
		return err
	}
	moved, err := r.disputes.Moved(from.steps)
	if err != nil {
		return err
	}
	var breaches []error
	equal := func(name string, own, sum money.Money) {
		if c, err := own.Cmp(sum); err != nil || c != 0 {
			breaches = append(breaches, &invariant.BreachError{
				Detail: fmt.Sprintf("%s is %s, and its parts add up to %s", name, own.Format(), sum.Format())})
		}
	}
	equal("captured", row.Captured, captured)
	equal("settled", row.Settled, settled)
	equal("dispute_held", row.DisputeHeld, held)
	equal("dispute_lost", row.DisputeLost, lost)
	taken, err := held.Add(lost)
	if err != nil {
		return err
	}
	// More may have come back than was ever reported as taken: then nothing is held.
	if c, err := taken.Cmp(moved.Neg()); err != nil || c < 0 {
		breaches = append(breaches, &invariant.BreachError{
			Detail: fmt.Sprintf("disputes hold and have lost %s, and their timelines moved %s", taken.Format(), moved.Format())})
	}
	if state, err := paymentState(row.AmountDue, row.Captured, row.ReceivedExternally, row.Reversed); err != nil {
		return err
	} else if state != row.PaymentState {
		breaches = append(breaches, &invariant.BreachError{
			Detail: fmt.Sprintf("it is %s, and its amounts say %s", row.PaymentState, state)})
	}
	return errors.Join(breaches...)
}

// paymentState is written a second time on purpose: it checks the first.
func paymentState(due *money.Money, captured, external, reversed money.Money) (order.PaymentState, error) {
	gross, err := captured.Add(external)
	if err != nil {
		return "", err
	}
	if gross, err = gross.Sub(reversed); err != nil {
		return "", err
	}
	if due != nil {
		left, err := due.Sub(gross)
		if err != nil {
			return "", err
		}
		if !left.IsPositive() {
			return order.Paid, nil
		}
	}
	if gross.IsPositive() {
		return order.PartiallyPaid, nil
	}
	return order.Unpaid, nil
}
