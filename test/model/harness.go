// Package model runs the write side over a real log, without a database, and
// folds what it recorded: notifications in, balances out.
package model

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// Ledger is the write side over an embedded node of its own.
type Ledger struct {
	Log    *node.Node
	Intake *commands.Intake
}

// Open makes an empty ledger that lives as long as the test.
func Open(t testing.TB) *Ledger {
	t.Helper()
	n, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close log: %v", err)
		}
	})
	return &Ledger{Log: n, Intake: commands.NewIntake(commands.IntakeConfig{
		Log: n, Translators: []commands.Translator{decta.New(), everifin.New(), connectpay.New()},
		Clock: func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) },
	})}
}

// Accept takes a body in.
func (l *Ledger) Accept(ctx context.Context, gateway string, body []byte) (commands.Receipt, error) {
	return l.Intake.Accept(ctx, commands.Notification{
		Gateway: gateway, Account: "default", Via: commands.ViaImport, Verified: "none", Body: body,
	})
}

// Orders folds every order of the log.
func (l *Ledger) Orders(ctx context.Context) (map[string]*order.State, error) {
	states := map[string]*order.State{}
	for e, err := range l.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return nil, err
		}
		_, id, ok := order.ParseStreamName(e.Stream)
		if !ok {
			continue
		}
		event, metadata, err := order.Decode(e.Type, e.Data, e.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%s revision %d: %w", e.Stream, e.Revision, err)
		}
		if states[id] == nil {
			states[id] = &order.State{}
		}
		states[id].Apply(order.Recorded{
			Event: event, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: metadata,
		})
		if err := states[id].Err(); err != nil {
			return nil, fmt.Errorf("%s revision %d: %w", e.Stream, e.Revision, err)
		}
	}
	return states, nil
}

// Summary is an order's public figures as one line, for comparing.
func Summary(s *order.State) string {
	b := s.Balances()
	due := "?"
	if s.DueKnown {
		due = s.AmountDue.String()
	}
	return fmt.Sprintf("due=%s auth=%s exp=%s cap=%s set=%s ext=%s rev=%s rp=%s ref=%s dh=%s dl=%s gross=%s net=%s over=%s %s/%s/%s/%s",
		due, b.Authorised, b.Expected, b.Captured, b.Settled, b.External, b.Reversed, b.RefundPending, b.Refunded,
		b.DisputeHeld, b.DisputeLost, b.Gross, b.Net, b.Overpaid,
		s.PaymentState(), s.RefundState(), s.DisputeState(), s.Lifecycle)
}
