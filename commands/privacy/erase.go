package privacy

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Receipt is the proof of an erasure. It is signed as it is stored, byte for byte.
type Receipt struct {
	OrderID  string    `json:"order_id"`
	ErasedAt time.Time `json:"erased_at"` // UTC
	Actor    string    `json:"actor"`
	// Tokens is how many tokens of the order's stream became unreadable; Lost of them were already, as their keys were
	// lost or damaged, so that nobody could search for what was sealed in them.
	Tokens int `json:"tokens"`
	Lost   int `json:"lost,omitempty"`
	// Hidden is how many of the keys stood in streams of the event store. It shows them to nobody any more; until its
	// next scavenge its files hold them, wrapped by the master key.
	Hidden int `json:"hidden_until_scavenge,omitempty"`
	// EventsScanned events of the whole log, RowsScanned rows of the read models and FilesScanned files of
	// exports were searched for the data in clear; Leftovers are the places where some of it stands, and
	// Unread files that could not be looked into. They are to be looked at by people.
	EventsScanned int        `json:"events_scanned"`
	RowsScanned   int64      `json:"rows_scanned,omitempty"`
	FilesScanned  int        `json:"files_scanned,omitempty"`
	Leftovers     []Leftover `json:"leftovers,omitempty"`
	Unread        []string   `json:"unread_files,omitempty"`
	// OutOfReach are exports that are known and could not be searched, for they are elsewhere.
	OutOfReach []string `json:"out_of_reach,omitempty"`
}

// Leftover is a place where erased data stands in clear: an event, rows of a table, or a file.
type Leftover struct {
	Stream   string `json:"stream,omitempty"`
	Revision uint64 `json:"revision"`
	Table    string `json:"table,omitempty"`
	Rows     int64  `json:"rows,omitempty"`
	File     string `json:"file,omitempty"`
}

// Rows reads the read models.
type Rows interface {
	// Each visits every row of every table, as JSON; row is valid during the call only.
	Each(ctx context.Context, visit func(table string, row []byte)) error
}

// Files reads files outside of the ledger, such as exports.
type Files interface {
	// Each visits every file with its texts; an error among them says that the rest cannot be read.
	Each(ctx context.Context, visit func(file string, texts iter.Seq2[[]byte, error])) error
}

// Eraser destroys the keys of orders.
type Eraser struct {
	Vault  *Vault
	Log    eventstore.Reader
	Intake *commands.Intake
	// Rows is nil when there is no database.
	Rows Rows
	// Files is nil when nothing outside of the ledger is looked through.
	Files Files
	// OutOfReach is told in receipts.
	OutOfReach []string
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
// other case. It opens all there is, for an index of people would outlive their erasure. Lost are the ids of orders
// whose keys were lost or damaged: nobody can tell whom they name.
func (e *Eraser) OrdersOf(ctx context.Context, subject string) (found []Target, lost []string, err error) {
	vault, err := e.Vault.remembering()
	if err != nil {
		return nil, nil, err
	}
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return nil, nil, fmt.Errorf("look for a person's orders: %w", err)
		}
		category, id, ok := order.ParseStreamName(recorded.Stream)
		if !ok || slices.Contains(found, Target{category, id}) {
			continue
		}
		token, err := tokenOf(&recorded)
		if err != nil {
			return nil, nil, fmt.Errorf("look for a person's orders: %w", err)
		}
		if token == "" {
			continue
		}
		plaintext, err := vault.Open(ctx, id, token)
		switch {
		case errors.Is(err, ErrErased):
			continue
		case isLost(err):
			if !slices.Contains(lost, id) {
				lost = append(lost, id)
			}
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("look for a person's orders: order %s: %w", id, err)
		}
		if slices.ContainsFunc(texts(plaintext), func(text []byte) bool { return strings.EqualFold(string(text), subject) }) {
			found = append(found, Target{category, id})
		}
	}
	return found, lost, nil
}

// isLost tells whether a token cannot be opened as its key is not there or is damaged.
func isLost(err error) bool { return errors.Is(err, ErrNoKey) || errors.Is(err, errDamagedSheet) }

// erasure is one order's on its way.
type erasure struct {
	Target
	secrets *search
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
		if err := errors.Join(e.scan(ctx, erasures), e.searchRows(ctx, erasures), e.searchFiles(ctx, erasures)); err != nil {
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
		out.receipt, out.done, out.secrets = *done, true, &search{}
		return out, nil
	}
	out.receipt = Receipt{OrderID: target.OrderID, Actor: actor, Tokens: len(tokens), OutOfReach: e.OutOfReach}
	var secrets [][]byte
	for _, token := range tokens {
		plaintext, err := e.Vault.Open(ctx, target.OrderID, token)
		switch {
		case errors.Is(err, ErrErased): // an erasure was interrupted behind the key's end
		case isLost(err): // what is left of the key, and any copy that comes back, is to be destroyed all the same
			out.receipt.Lost++
		case err != nil:
			return out, err
		default:
			secrets = append(secrets, texts(plaintext)...)
		}
	}
	out.secrets = newSearch(secrets)
	return out, nil
}

// finish destroys the keys and records the receipt. What was sealed while the erasure went on is destroyed
// behind the receipt; when that is kept from happening, by the next erasure of the order.
func (e *Eraser) finish(ctx context.Context, x *erasure) error {
	stream := order.StreamName(x.Category, x.OrderID)
	hidden, err := e.destroy(ctx, stream, x.OrderID)
	if err != nil || x.done {
		return err
	}
	x.receipt.Hidden = hidden
	x.receipt.ErasedAt = e.Clock().UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(x.receipt)
	if err != nil {
		return fmt.Errorf("write the receipt: %w", err)
	}
	if err := e.Intake.RecordErasure(ctx, x.Category, x.OrderID, order.RecordErasure{
		SubjectRef: x.OrderID, Receipt: string(text), Signature: ed25519.Sign(e.Sign, text), At: x.receipt.ErasedAt,
	}, x.receipt.Actor); err != nil {
		return fmt.Errorf("the keys are destroyed, the receipt is not recorded: %w", err)
	}
	_, err = e.destroy(ctx, stream, x.OrderID)
	return err
}

// destroy destroys the keys of all tokens of a stream; hidden is how many of them wait for a scavenge.
func (e *Eraser) destroy(ctx context.Context, stream, orderID string) (hidden int, err error) {
	tokens, _, err := e.read(ctx, stream)
	if err != nil {
		return 0, err
	}
	return e.Vault.destroyAll(ctx, sealedOf(orderID, tokens))
}

func sealedOf(orderID string, tokens []string) []sealedFor {
	all := make([]sealedFor, len(tokens))
	for i, token := range tokens {
		all[i] = sealedFor{orderID: orderID, token: token}
	}
	return all
}

// DestroyErased destroys the keys of all orders that the log says are erased: keys that came back from a copy
// that is older than an erasure go again. It answers how many orders those are.
func (e *Eraser) DestroyErased(ctx context.Context) (orders int, err error) {
	var all []sealedFor
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return orders, fmt.Errorf("look for erasures: %w", err)
		}
		_, id, ok := order.ParseStreamName(recorded.Stream)
		if !ok || recorded.Type != (order.PersonalDataErased{}).EventType() {
			continue
		}
		tokens, _, err := e.read(ctx, recorded.Stream)
		if err != nil {
			return orders, err
		}
		all = append(all, sealedOf(id, tokens)...)
		orders++
	}
	_, err = e.Vault.destroyAll(ctx, all)
	return orders, err
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
		}
		token, err := tokenOf(&recorded)
		if err != nil {
			return nil, nil, err
		}
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens, done, nil
}

// tokenOf is the sealed data of an event, empty when it has none. What only reads like a token, in a text that
// anybody may have written, is none.
func tokenOf(recorded *eventstore.RecordedEvent) (string, error) {
	if recorded.Type != (order.CommandRecorded{}).EventType() {
		return "", nil
	}
	var c order.CommandRecorded
	if err := json.Unmarshal(recorded.Data, &c); err != nil {
		return "", fmt.Errorf("stream %q revision %d: %w", recorded.Stream, recorded.Revision, err)
	}
	return c.Sealed, nil
}

// scan searches the whole log for what is to be erased.
func (e *Eraser) scan(ctx context.Context, erasures []erasure) error {
	events := 0
	for recorded, err := range e.Log.ReadAll(ctx, eventstore.AllRead{}) {
		if err != nil {
			return fmt.Errorf("search the log: %w", err)
		}
		if IsKeyStream(recorded.Stream) {
			continue
		}
		events++
		for i := range erasures {
			x := &erasures[i]
			if !x.secrets.nothing() && (x.secrets.json(recorded.Data) || x.secrets.json(recorded.Metadata)) {
				x.receipt.Leftovers = append(x.receipt.Leftovers, Leftover{Stream: recorded.Stream, Revision: recorded.Revision})
			}
		}
	}
	for i := range erasures {
		if !erasures[i].done {
			erasures[i].receipt.EventsScanned = events
		}
	}
	return nil
}

// searchRows searches the read models for what is to be erased.
func (e *Eraser) searchRows(ctx context.Context, erasures []erasure) error {
	if e.Rows == nil {
		return nil
	}
	found := make([]map[string]int64, len(erasures)) // rows by table
	searched := int64(0)
	err := e.Rows.Each(ctx, func(table string, row []byte) {
		searched++
		for i := range erasures {
			if x := &erasures[i]; !x.secrets.nothing() && x.secrets.json(row) {
				if found[i] == nil {
					found[i] = map[string]int64{}
				}
				found[i][table]++
			}
		}
	})
	if err != nil {
		return fmt.Errorf("search the read models: %w", err)
	}
	for i := range erasures {
		x := &erasures[i]
		if x.done {
			continue
		}
		x.receipt.RowsScanned = searched
		for _, table := range slices.Sorted(maps.Keys(found[i])) {
			x.receipt.Leftovers = append(x.receipt.Leftovers, Leftover{Table: table, Rows: found[i][table]})
		}
	}
	return nil
}

// searchFiles searches exports for what is to be erased.
func (e *Eraser) searchFiles(ctx context.Context, erasures []erasure) error {
	if e.Files == nil {
		return nil
	}
	err := e.Files.Each(ctx, func(file string, texts iter.Seq2[[]byte, error]) {
		found, unread := make([]bool, len(erasures)), false
		for text, err := range texts {
			if unread = err != nil; unread {
				break
			}
			for i := range erasures {
				found[i] = found[i] || erasures[i].secrets.json(text)
			}
		}
		for i := range erasures {
			x := &erasures[i]
			if x.done {
				continue
			}
			x.receipt.FilesScanned++
			if unread {
				x.receipt.Unread = append(x.receipt.Unread, file)
			}
			if found[i] {
				x.receipt.Leftovers = append(x.receipt.Leftovers, Leftover{File: file})
			}
		}
	})
	if err != nil {
		return fmt.Errorf("search the exports: %w", err)
	}
	return nil
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
