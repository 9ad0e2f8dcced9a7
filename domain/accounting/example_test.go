package accounting_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
)

// An order of 96.56 is paid, 10.00 of it refunded, the rest charged back, and the dispute lost.
func ExampleEntriesFor() {
	due, refund, rest := eur("96.56"), eur("10.00"), eur("86.56")
	var (
		state order.State
		books accounting.Books
	)
	for i, e := range []order.Event{
		order.OrderRegistered{OrderID: "o", Kind: order.KindPayment, AmountDue: &due},
		order.PaymentInitiated{PaymentID: "p", Amount: &due},
		order.PaymentCaptured{PaymentID: "p", Amount: due},
		order.RefundInitiated{RefundID: "r", PaymentID: "p", Amount: &refund},
		order.RefundCompleted{RefundID: "r", PaymentID: "p", Amount: refund},
		order.DisputeStageEntered{DisputeID: "d", PaymentID: "p", Stage: order.StageChargeback, Track: order.TrackChargeback},
		order.DisputeFundsWithdrawn{DisputeID: "d", PaymentID: "p", MovementNo: 1, Amount: rest},
		order.DisputeResolved{DisputeID: "d", Outcome: order.OutcomeLost, AmountLost: &rest},
	} {
		state = order.Evolve(state, order.Recorded{Event: e, ID: [16]byte{byte(i + 1)}, Revision: uint64(i), Metadata: order.Metadata{RecordedAt: on}})
		entry, after, err := accounting.EntriesFor(books, e, &state)
		if err != nil {
			panic(err)
		}
		books = after
		for _, line := range entry {
			fmt.Printf("%-22s %s %7s\n", e.EventType(), line.Account, line.Amount.String())
		}
	}
	fmt.Println("trial balance")
	for _, a := range accounting.Accounts() {
		if b := books.Balance(a); !b.IsZero() {
			fmt.Println(a, a.Name(), b.String())
		}
	}
	fmt.Println(state.PaymentState(), state.RefundState(), state.DisputeState(), state.Balances().Net.Format())
	// Output:
	// OrderRegistered        1200   96.56
	// OrderRegistered        4000  -96.56
	// PaymentCaptured        1100   96.56
	// PaymentCaptured        1200  -96.56
	// RefundInitiated        2100  -10.00
	// RefundInitiated        4090   10.00
	// RefundCompleted        1100  -10.00
	// RefundCompleted        2100   10.00
	// DisputeFundsWithdrawn  1100  -86.56
	// DisputeFundsWithdrawn  1150   86.56
	// DisputeResolved        1150  -86.56
	// DisputeResolved        5100   86.56
	// trial balance
	// 4000 Sales -96.56
	// 4090 Refunds and allowances 10.00
	// 5100 Chargeback losses 86.56
	// PAID PARTIAL LOST 0.00 EUR
}
