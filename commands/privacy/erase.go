package privacy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
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
	// EventsScanned events of the whole log were searched for the data in clear; Leftovers are the
	// streams and revisions where some of it stands. They are to be looked at by people.
	EventsScanned int        `json:"events_scanned"`
	Leftovers     []Leftover `json:"leftovers,omitempty"`
}

// Leftover is a place where erased data stands in clear.
type Leftover struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
}

// Eraser destroys the keys of orders.
type Eraser struct {
	Vault  *Vault
	Log    eventstore.Reader
	Intake *commands.Intake
	// Sign signs receipts.
	Sign  ed25519.PrivateKey
	Clock func() time.Time
}

// Erase destroys the key of an order, searches the log for what was sealed, and appends the signed
// receipt to the order's stream. An erasure that was interrupted is finished by the next; one that is
// complete answers with the receipt that stands in the log.
func (e *Eraser) Erase(ctx context.Context, c order.Category, orderID, actor string) (Receipt, error) {
	stream := order.StreamName(c, orderID)
	tokens, done, err := e.read(ctx, stream)
	if err != nil || done != nil {
		return orZero(done), err
	}
	var secrets [][]byte
	for _, token := range tokens {
		plaintext, err := e.Vault.Open(ctx, orderID, token)
		switch {
		case errors.Is(err, ErrErased): // an erasure was interrupted behind the key's end
		case err != nil:
			return Receipt{}, fmt.Errorf("erase order %s: %w", orderID, err)
		default:
			secrets = append(secrets, texts(plaintext)...)
		}
	}
	receipt := Receipt{OrderID: orderID, Actor: actor, Tokens: len(tokens)}
	// The search comes first: when it fails, the data can still be told and looked for again.
	if receipt.EventsScanned, receipt.Leftovers, err = e.scan(ctx, secrets); err != nil {
		return Receipt{}, fmt.Errorf("erase order %s: %w", orderID, err)
	}
	if err := e.Vault.keys.Destroy(ctx, orderID); err != nil {
		return Receipt{}, fmt.Errorf("erase order %s: %w", orderID, err)
	}
	receipt.ErasedAt = e.Clock().UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(receipt)
	if err != nil {
		return Receipt{}, fmt.Errorf("erase order %s: write the receipt: %w", orderID, err)
	}
	if err := e.Intake.RecordErasure(ctx, c, orderID, order.RecordErasure{
		SubjectRef: orderID, Receipt: string(text), Signature: ed25519.Sign(e.Sign, text), At: receipt.ErasedAt,
	}, actor); err != nil {
		return Receipt{}, fmt.Errorf("erase order %s: the key is destroyed, the receipt is not recorded: %w", orderID, err)
	}
	return receipt, nil
}

func orZero(r *Receipt) Receipt {
	if r == nil {
		return Receipt{}
	}
	return *r
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
		for _, text := range texts(recorded.Data) {
			if bytes.HasPrefix(text, []byte(TokenPrefix)) {
				tokens = append(tokens, string(text))
			}
		}
	}
	return tokens, nil, nil
}

// scan searches the whole log for texts.
func (e *Eraser) scan(ctx context.Context, secrets [][]byte) (events int, found []Leftover, err error) {
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return events, found, fmt.Errorf("search the log: %w", err)
		}
		events++
		for _, secret := range secrets {
			if len(secret) >= leftoverBytesMin && (bytes.Contains(recorded.Data, secret) || bytes.Contains(recorded.Metadata, secret)) {
				found = append(found, Leftover{Stream: recorded.Stream, Revision: recorded.Revision})
				break
			}
		}
	}
	return events, found, nil
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
