package privacy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// leftoverBytesMin is the shortest text that is looked for in the log: shorter ones are found by
// chance everywhere.
const leftoverBytesMin = 6

// Receipt is the proof of an erasure. It is signed as it is stored, byte for byte.
type Receipt struct {
	OrderID  string    `json:"order_id"`
	ErasedAt time.Time `json:"erased_at"` // UTC
	Actor    string    `json:"actor"`
	// Tokens is how many tokens of the order's stream became unreadable.
	Tokens int `json:"tokens"`
	// EventsScanned events of the whole log and RowsScanned rows of the read models were searched for the
	// data in clear; Leftovers are the places where some of it stands. They are to be looked at by people.
	EventsScanned int        `json:"events_scanned"`
	RowsScanned   int64      `json:"rows_scanned,omitempty"`
	Leftovers     []Leftover `json:"leftovers,omitempty"`
}

// Leftover is a place where erased data stands in clear: an event, or rows of a table.
type Leftover struct {
	Stream   string `json:"stream,omitempty"`
	Revision uint64 `json:"revision"`
	Table    string `json:"table,omitempty"`
	Rows     int64  `json:"rows,omitempty"`
}

// Rows searches the read models.
type Rows interface {
	// Search counts the rows of each table, and those that hold one of the texts.
	Search(ctx context.Context, texts []string) (searched int64, found []Leftover, err error)
}

// Eraser destroys the keys of orders.
type Eraser struct {
	Vault  *Vault
	Log    eventstore.Reader
	Intake *commands.Intake
	// Rows is nil when there is no database.
	Rows Rows
	// Sign signs receipts.
	Sign  ed25519.PrivateKey
	Clock func() time.Time
}

// Target is an order to erase the personal data of.
type Target struct {
	Category order.Category
	OrderID  string
}

// OrdersOf finds the orders whose sealed data names a person: some text of it is the subject, be it in
// other case. It opens all there is, for an index of people would outlive their erasure.
func (e *Eraser) OrdersOf(ctx context.Context, subject string) ([]Target, error) {
	var found []Target
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return nil, fmt.Errorf("look for a person's orders: %w", err)
		}
		category, id, ok := order.ParseStreamName(recorded.Stream)
		if !ok || !bytes.Contains(recorded.Data, []byte(TokenPrefix)) || slices.Contains(found, Target{category, id}) {
			continue
		}
		for _, token := range tokensOf(recorded.Data) {
			plaintext, err := e.Vault.Open(ctx, id, token)
			if errors.Is(err, ErrErased) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("look for a person's orders: order %s: %w", id, err)
			}
			if slices.ContainsFunc(texts(plaintext), func(text []byte) bool { return strings.EqualFold(string(text), subject) }) {
				found = append(found, Target{category, id})
				break
			}
		}
	}
	return found, nil
}

// erasure is one order's on its way.
type erasure struct {
	Target
	secrets [][]byte
	receipt Receipt
	done    bool
}

// Erase destroys the keys of orders, after a search of the log and the read models for what was sealed,
// and appends a signed receipt to each order's stream. An erasure that was interrupted is finished by the
// next; one that is complete answers with the receipt that stands in the log.
func (e *Eraser) Erase(ctx context.Context, actor string, targets ...Target) ([]Receipt, error) {
	erasures := make([]erasure, len(targets))
	open := 0
	for i, target := range targets {
		var err error
		if erasures[i], err = e.begin(ctx, target, actor); err != nil {
			return nil, fmt.Errorf("erase order %s: %w", target.OrderID, err)
		}
		if !erasures[i].done {
			open++
		}
	}
	if open > 0 { // the search comes first: when it fails, the data can still be told and looked for again
		if err := errors.Join(e.scan(ctx, erasures), e.searchRows(ctx, erasures)); err != nil {
			return nil, fmt.Errorf("erase: %w", err)
		}
	}
	receipts := make([]Receipt, len(erasures))
	for i := range erasures {
		if err := e.finish(ctx, &erasures[i]); err != nil {
			return receipts[:i], fmt.Errorf("erase order %s: %w", erasures[i].OrderID, err)
		}
		receipts[i] = erasures[i].receipt
	}
	return receipts, nil
}

// begin reads what is sealed.
func (e *Eraser) begin(ctx context.Context, target Target, actor string) (erasure, error) {
	out := erasure{Target: target}
	tokens, done, err := e.read(ctx, order.StreamName(target.Category, target.OrderID))
	if err != nil {
		return out, err
	}
	if done != nil {
		out.receipt, out.done = *done, true
		return out, nil
	}
	out.receipt = Receipt{OrderID: target.OrderID, Actor: actor, Tokens: len(tokens)}
	for _, token := range tokens {
		plaintext, err := e.Vault.Open(ctx, target.OrderID, token)
		switch {
		case errors.Is(err, ErrErased): // an erasure was interrupted behind the key's end
		case err != nil:
			return out, err
		default:
			for _, text := range texts(plaintext) {
				if len(text) >= leftoverBytesMin {
					out.secrets = append(out.secrets, text)
				}
			}
		}
	}
	return out, nil
}

// finish destroys the key and records the receipt.
func (e *Eraser) finish(ctx context.Context, x *erasure) error {
	if x.done {
		return nil
	}
	if err := e.Vault.keys.Destroy(ctx, x.OrderID); err != nil {
		return err
	}
	x.receipt.ErasedAt = e.Clock().UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(x.receipt)
	if err != nil {
		return fmt.Errorf("write the receipt: %w", err)
	}
	if err := e.Intake.RecordErasure(ctx, x.Category, x.OrderID, order.RecordErasure{
		SubjectRef: x.OrderID, Receipt: string(text), Signature: ed25519.Sign(e.Sign, text), At: x.receipt.ErasedAt,
	}, x.receipt.Actor); err != nil {
		return fmt.Errorf("the key is destroyed, the receipt is not recorded: %w", err)
	}
	return nil
}

// read finds the tokens of a stream, and the receipt of an erasure that is complete.
func (e *Eraser) read(ctx context.Context, stream string) (tokens []string, done *Receipt, err error) {
	for recorded, err := range e.Log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return nil, nil, fmt.Errorf("read stream %q: %w", stream, err)
		}
		if recorded.Type == (order.PersonalDataErased{}).EventType() {
			var erased order.PersonalDataErased
			done = &Receipt{}
			if err := errors.Join(json.Unmarshal(recorded.Data, &erased), json.Unmarshal([]byte(erased.Receipt), done)); err != nil {
				return nil, nil, fmt.Errorf("read the receipt in stream %q: %w", stream, err)
			}
			return nil, done, nil
		}
		tokens = append(tokens, tokensOf(recorded.Data)...)
	}
	return tokens, nil, nil
}

// tokensOf are the sealed values of an event.
func tokensOf(data []byte) []string {
	var tokens []string
	for _, text := range texts(data) {
		if bytes.HasPrefix(text, []byte(TokenPrefix)) {
			tokens = append(tokens, string(text))
		}
	}
	return tokens
}

// scan searches the whole log for what is to be erased.
func (e *Eraser) scan(ctx context.Context, erasures []erasure) error {
	events := 0
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return fmt.Errorf("search the log: %w", err)
		}
		events++
		for i := range erasures {
			x := &erasures[i]
			if slices.ContainsFunc(x.secrets, func(secret []byte) bool {
				return bytes.Contains(recorded.Data, secret) || bytes.Contains(recorded.Metadata, secret)
			}) {
				x.receipt.Leftovers = append(x.receipt.Leftovers, Leftover{Stream: recorded.Stream, Revision: recorded.Revision})
			}
		}
	}
	for i := range erasures {
		erasures[i].receipt.EventsScanned = events
	}
	return nil
}

// searchRows searches the read models for what is to be erased.
func (e *Eraser) searchRows(ctx context.Context, erasures []erasure) error {
	if e.Rows == nil {
		return nil
	}
	for i := range erasures {
		x := &erasures[i]
		if x.done || len(x.secrets) == 0 {
			continue
		}
		texts := make([]string, len(x.secrets))
		for j, secret := range x.secrets {
			texts[j] = string(secret)
		}
		searched, found, err := e.Rows.Search(ctx, texts)
		if err != nil {
			return fmt.Errorf("search the read models: %w", err)
		}
		x.receipt.RowsScanned = searched
		x.receipt.Leftovers = append(x.receipt.Leftovers, found...)
	}
	return nil
}

// texts are the strings of a JSON value; what is no JSON is one text.
func texts(data []byte) [][]byte {
	var value any
	if json.Unmarshal(data, &value) != nil {
		return [][]byte{data}
	}
	var out [][]byte
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, []byte(v))
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(value)
	return out
}

// VerifyReceipt checks the signature of a receipt.
func VerifyReceipt(public ed25519.PublicKey, e order.PersonalDataErased) (Receipt, error) {
	var r Receipt
	if !ed25519.Verify(public, []byte(e.Receipt), e.Signature) {
		return r, errors.New("the receipt's signature is not of this key")
	}
	if err := json.Unmarshal([]byte(e.Receipt), &r); err != nil {
		return r, fmt.Errorf("read receipt: %w", err)
	}
	return r, nil
}
