package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/disputes"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// AuditPack is everything about one order that an auditor asks for.
type AuditPack struct {
	// Explanation has every event, what it changed, the order as it is, and whether the views agree.
	Explanation

	// Evidence lists what was received, with the digest of each body.
	Evidence []Evidence `json:"evidence"`
	// Journal is what the events posted.
	Journal []Posting `json:"journal"`
	// Timelines are the steps of the order's disputes.
	Timelines []disputes.Dispute `json:"dispute_timelines"`
	Proof     Proof              `json:"proof"`
}

// Evidence is one notification or command that events came from.
type Evidence struct {
	Revision   uint64    `json:"revision"`
	What       string    `json:"what"`
	ID         string    `json:"id"`
	Via        string    `json:"via,omitempty"`
	Verified   string    `json:"verified,omitempty"`
	BodySHA256 string    `json:"body_sha256,omitempty"`
	Actor      string    `json:"actor"`
	RecordedAt time.Time `json:"recorded_at"` // UTC
}

// Posting is one line of the journal.
type Posting struct {
	EntryID     string `json:"entry_id"`
	PostingDate string `json:"posting_date"`
	ValueDate   string `json:"value_date"`
	Account     string `json:"account"`
	Currency    string `json:"currency"`
	// Amount is signed from the debit side, in major units.
	Amount string `json:"amount"`
	Late   bool   `json:"late_posting"`
}

// Proof lets a later copy of the pack be compared: one digest over all events in order.
type Proof struct {
	Events int `json:"events"`
	// Gapless: the revisions are 0, 1, 2, … without a gap.
	Gapless bool `json:"gapless"`
	// SHA256 chains the events, hex: each link is the digest of the link before it and of the event's
	// stream, revision, type, id, data and metadata.
	SHA256 string `json:"sha256"`
	// Balanced: every entry of the journal balances, per currency.
	Balanced bool `json:"balanced"`
}

// PackOf gathers an audit pack from the log. db may be nil: it is needed only to tell whether the views
// agree.
func PackOf(ctx context.Context, log eventstore.Reader, db audit.Beginner, stream string) (AuditPack, error) {
	told, err := Explain(ctx, log, db, stream)
	if err != nil {
		return AuditPack{}, err
	}
	pack := AuditPack{Explanation: told, Evidence: []Evidence{}, Journal: []Posting{}, Timelines: []disputes.Dispute{}}
	if told.Result != nil {
		pack.Timelines = told.Result.Disputes
	}
	end := eventstore.Position{Commit: math.MaxInt64, Prepare: math.MaxInt64}
	folded, err := refold.UpTo(ctx, log, stream, end, nil)
	if err != nil {
		return AuditPack{}, err
	}
	pack.Proof.Balanced = true
	sums := map[string]decimal.Decimal{}
	for _, l := range folded.Journal {
		pack.Journal = append(pack.Journal, Posting{
			EntryID: fmt.Sprintf("%s-%d", told.OrderID, l.Revision), PostingDate: l.PostingDate.Format(time.DateOnly),
			ValueDate: l.ValueDate.Format(time.DateOnly), Account: l.Account, Currency: l.Currency, Amount: l.Amount,
			Late: !l.PostingDate.Equal(l.ValueDate),
		})
		amount, err := decimal.NewFromString(l.Amount)
		if err != nil {
			return AuditPack{}, fmt.Errorf("amount %q of order %s: %w", l.Amount, told.OrderID, err)
		}
		entry := fmt.Sprintf("%d %s", l.Revision, l.Currency)
		sums[entry] = sums[entry].Add(amount)
	}
	for _, sum := range sums {
		pack.Proof.Balanced = pack.Proof.Balanced && sum.IsZero()
	}
	return pack, pack.prove(ctx, log, stream)
}

// prove reads the stream once more, as it is stored.
func (p *AuditPack) prove(ctx context.Context, log eventstore.Reader, stream string) error {
	p.Proof.Gapless = true
	var link [sha256.Size]byte
	for e, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return fmt.Errorf("read stream %q: %w", stream, err)
		}
		p.Proof.Gapless = p.Proof.Gapless && e.Revision == uint64(p.Proof.Events)
		p.Proof.Events++
		data, metadata := sha256.Sum256(e.Data), sha256.Sum256(e.Metadata)
		link = sha256.Sum256(fmt.Appendf(nil, "%x %q %d %q %s %x %x", link, e.Stream, e.Revision, e.Type, e.ID, data, metadata))
		p.witness(&e)
	}
	p.Proof.SHA256 = hex.EncodeToString(link[:])
	return nil
}

// witness takes up what an event says about where it came from.
func (p *AuditPack) witness(e *eventstore.RecordedEvent) {
	if e.Type != (order.NotificationRecorded{}).EventType() && e.Type != (order.CommandRecorded{}).EventType() {
		return
	}
	var told struct {
		NotificationID string `json:"notification_id"`
		CommandID      string `json:"command_id"`
		Via            string `json:"via"`
		Verified       string `json:"verified"`
		BodySHA256     string `json:"body_sha256"`
	}
	var m order.Metadata
	if json.Unmarshal(e.Data, &told) != nil || json.Unmarshal(e.Metadata, &m) != nil {
		return // the explanation says that it cannot be read
	}
	p.Evidence = append(p.Evidence, Evidence{
		Revision: e.Revision, What: e.Type, ID: told.NotificationID + told.CommandID, Via: told.Via, Verified: told.Verified,
		BodySHA256: told.BodySHA256, Actor: m.Actor, RecordedAt: m.RecordedAt,
	})
}
