package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// refusalsPerMinute and refusalsBurst bound how many refused senders an
	// account can make us record; the rest is only counted.
	refusalsPerMinute = 10
	refusalsBurst     = 20
)

// quarantine keeps a notification that belongs to no order. The same body is
// kept once.
func (in *Intake) quarantine(
	ctx context.Context, n Notification, digest string, why Rejection, evidence json.RawMessage,
) (Receipt, error) {
	return in.quarantineAs(ctx, n, digest, "", why, evidence)
}

func (in *Intake) quarantineAs(
	ctx context.Context, n Notification, digest, idPrefix string, why Rejection, evidence json.RawMessage,
) (Receipt, error) {
	now := in.clock().UTC()
	id := in.ids.next(now)
	e := order.NotificationQuarantined{
		NotificationID: id, Gateway: n.Gateway, Account: n.Account, Via: string(n.Via), Verified: n.Verified,
		Code: why.Code, Detail: why.Detail, ReceivedAt: n.ReceivedAt, BodySHA256: digest, Body: evidence,
	}
	eventType, data, metadata, err := order.Encode(e, order.Metadata{
		CorrelationID: id, LedgerID: id, OccurredAt: n.ReceivedAt, OccurredAtBasis: order.BasisReceived,
		ReceivedAt: n.ReceivedAt, RecordedAt: now, Source: n.Gateway, SourceAccount: n.Account,
		SourceEventID: digest, Actor: "system", Flags: []order.Flag{why.Code},
	})
	if err != nil {
		return Receipt{}, err
	}
	result, err := in.log.Append(ctx, order.QuarantineStream(n.Gateway), eventstore.Any, eventstore.EventData{
		ID:   order.NotificationEventID(n.Gateway, n.Account, idPrefix+digest),
		Type: eventType, JSON: true, Data: data, Metadata: metadata,
	})
	var large *eventstore.TooLargeError
	if errors.As(err, &large) && evidence != nil {
		return in.quarantineAs(ctx, n, digest, idPrefix, why, nil) // the digest still proves what was received
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("quarantine notification %s: %w", digest, err)
	}
	receipt := Receipt{
		Outcome: Quarantined, NotificationID: id, Code: why.Code, Detail: why.Detail, Position: result.Position,
	}
	if result.Idempotent {
		receipt.Outcome, receipt.NotificationID, receipt.Position = Duplicate, "", eventstore.Position{}
	}
	return receipt, nil
}

// RecordRefused keeps the evidence, without the body, of a notification whose
// sender could not be verified. It records at a bounded rate for each account;
// ok is false when the bound was reached and nothing was written.
func (in *Intake) RecordRefused(ctx context.Context, n Notification, detail string) (ok bool, err error) {
	if n.ReceivedAt.IsZero() {
		n.ReceivedAt = in.clock().UTC()
	}
	if !in.refusals.allow(n.Gateway+"/"+n.Account, n.ReceivedAt) {
		return false, nil
	}
	sum := sha256.Sum256(n.Body)
	// The id differs from that of the same body when it comes properly signed.
	receipt, err := in.quarantineAs(ctx, n, hex.EncodeToString(sum[:]), "refused|",
		Rejection{Code: order.FlagSignatureFailed, Detail: detail}, nil)
	return receipt.Outcome != "", err
}

// refusalLimiter is a token bucket for each account.
type refusalLimiter struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newRefusalLimiter() *refusalLimiter {
	return &refusalLimiter{buckets: make(map[string]*rate.Limiter)}
}

// allow takes a token. Accounts are configured, so the map is bounded.
func (l *refusalLimiter) allow(account string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[account]
	if !ok {
		b = rate.NewLimiter(rate.Every(time.Minute/refusalsPerMinute), refusalsBurst)
		l.buckets[account] = b
	}
	return b.AllowN(now, 1)
}
