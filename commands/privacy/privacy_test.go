package privacy_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

var _ commands.Sealer = (*privacy.Vault)(nil)

const buyer = `{"email":"ada.byron@example.com","first_name":"Ada-Augusta"}`

type vault struct {
	*privacy.Vault
	dir    string
	keys   privacy.KeyStore // the folder dir when it is none
	master []byte
}

func newVault(t *testing.T) *vault {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	return newVaultOf(t, dir, privacy.KeysInFolder(dir))
}

func newVaultOf(t *testing.T, dir string, keys privacy.KeyStore) *vault {
	t.Helper()
	v := &vault{dir: dir, keys: keys, master: make([]byte, privacy.KeyBytes)}
	_, _ = rand.Read(v.master)
	v.open(t)
	return v
}

// open begins anew with what is on disk.
func (v *vault) open(t *testing.T) {
	t.Helper()
	master, err := privacy.NewLocalMaster(v.master)
	if err != nil {
		t.Fatal(err)
	}
	if v.keys == (privacy.KeyStore{}) {
		v.keys = privacy.KeysInFolder(v.dir)
	}
	if v.Vault, err = privacy.OpenVault(v.keys, master); err != nil {
		t.Fatal(err)
	}
}

// shows fails when a token does not show a text.
func (v *vault) shows(t *testing.T, id, token, want string) {
	t.Helper()
	if text, err := v.Show(t.Context(), id, token); err != nil || text != want {
		t.Errorf("shows %q, %v; want %q", text, err, want)
	}
}

func newID() string { return ulid.Make().String() }

// ledger is an order on a real node, with sealed data in its stream and some of it in clear elsewhere.
type ledger struct {
	node   *node.Node
	eraser *privacy.Eraser
	vault  *vault
	public ed25519.PublicKey
	id     string
	stream string
	token  string
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{vault: newVault(t)}
	var err error
	if l.node, err = node.Open(node.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.node.Close() })
	intake := commands.NewIntake(commands.IntakeConfig{Log: l.node, Translators: []commands.Translator{decta.New()}})
	receipt, err := intake.Accept(t.Context(), commands.Notification{
		Gateway: "decta", Account: "default", Via: commands.ViaWebhook, Verified: "none",
		Body: []byte(`{"id":"d-1","status":"issued","currency":"EUR","total":10.00,"issued":1795132800,"modified":1795132800}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.id, l.stream = receipt.OrderID, order.StreamName(order.CategoryOrder, receipt.OrderID)
	if l.token, err = l.vault.Seal(t.Context(), l.id, []byte(buyer)); err != nil {
		t.Fatal(err)
	}
	// An event that carries the token, as an order of a merchant would.
	l.sealed(t, l.token)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l.public = public
	l.eraser = &privacy.Eraser{Vault: l.vault.Vault, Log: l.node, Intake: intake, Sign: private, Clock: time.Now}
	return l
}

func (l *ledger) append(t *testing.T, stream string, e order.Event) {
	t.Helper()
	now := time.Now().UTC()
	eventType, data, metadata, err := order.Encode(e, order.Metadata{LedgerID: newID(), OccurredAt: now, RecordedAt: now, Source: "decta", Actor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.node.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{
		ID: order.EventID(stream, string(data), eventType), Type: eventType, JSON: true, Data: data, Metadata: metadata,
	}); err != nil {
		t.Fatal(err)
	}
}

// sealed is a command with personal data, sealed in a token.
func (l *ledger) sealed(t *testing.T, token string) {
	t.Helper()
	l.append(t, l.stream, order.CommandRecorded{CommandID: newID(), Action: order.ActionRegister, KeySHA256: newID(), Request: []byte(`{}`), Sealed: token})
}

// erased is the event of the erasure; it fails when there is not exactly one.
func (l *ledger) erased(t *testing.T) order.PersonalDataErased {
	t.Helper()
	var found []order.PersonalDataErased
	for e, err := range l.node.ReadStream(t.Context(), l.stream, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "PersonalDataErased" {
			var one order.PersonalDataErased
			if err := json.Unmarshal(e.Data, &one); err != nil {
				t.Fatal(err)
			}
			found = append(found, one)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d erasures in the stream, want 1", len(found))
	}
	return found[0]
}

func (l *ledger) erase(t *testing.T, actor string) (privacy.Receipt, error) {
	t.Helper()
	receipts, err := l.eraser.Erase(t.Context(), actor, privacy.Target{Category: order.CategoryOrder, OrderID: l.id})
	if err != nil {
		return privacy.Receipt{}, err
	}
	return receipts[0], nil
}

func TestErase(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.append(t, "quarantine-decta", order.AnomalyFlagged{Code: order.FlagLate, Detail: "called ada.byron@example.com back"})
	receipt, err := l.erase(t, "operator:kim")
	if err != nil {
		t.Fatal(err)
	}
	if len(receipt.Leftovers) != 1 || receipt.Leftovers[0].Stream != "quarantine-decta" || receipt.Tokens != 1 || receipt.EventsScanned < 4 {
		t.Errorf("receipt %+v", receipt)
	}
	if text, err := l.vault.Show(t.Context(), l.id, l.token); err != nil || text != privacy.Erased {
		t.Errorf("shows %q, %v", text, err)
	}
	event := l.erased(t)
	if signed, err := privacy.VerifyReceipt(l.public, event); err != nil || signed.Actor != "operator:kim" || signed.OrderID != l.id {
		t.Errorf("receipt in the log: %+v, %v", signed, err)
	}
	if strings.Contains(event.Receipt, "ada.byron") {
		t.Error("the receipt tells what was erased")
	}
	event.Receipt = strings.Replace(event.Receipt, "operator:kim", "operator:lee", 1)
	if _, err := privacy.VerifyReceipt(l.public, event); err == nil {
		t.Error("a changed receipt verifies")
	}
	again, err := l.erase(t, "operator:lee")
	if err != nil || again.Actor != "operator:kim" {
		t.Errorf("a second erasure: %+v, %v; want the first one's receipt", again, err)
	}
	l.erased(t)
}

// TestEraseAfterACrash: the key was destroyed and the process ended before the receipt.
func TestEraseAfterACrash(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if err := l.vault.Destroy(t.Context(), l.id, l.token); err != nil {
		t.Fatal(err)
	}
	if _, err := l.erase(t, "operator:kim"); err != nil {
		t.Fatal(err)
	}
	l.erased(t)
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	master, err := privacy.NewLocalMaster(make([]byte, privacy.KeyBytes))
	if err != nil {
		f.Fatal(err)
	}
	v, err := privacy.OpenVault(privacy.KeysInFolder(dir), master)
	if err != nil {
		f.Fatal(err)
	}
	id := newID()
	token, err := v.Seal(f.Context(), id, []byte(buyer))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("sealed:1:")
	f.Add("sealed:1:AAAA")
	f.Add("sealed:2:" + newID() + ".0:AAAA")
	f.Add(strings.Replace(token, ".", ".0", 1))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if opened, err := v.Open(t.Context(), id, text); err == nil && string(opened) != buyer {
			t.Errorf("%q opened as %q", text, opened)
		}
	})
}

// tables are rows of read models.
type tables map[string][]string

// Each implements privacy.Rows.
func (r tables) Each(_ context.Context, visit func(table string, row []byte)) error {
	for table, rows := range r {
		for _, row := range rows {
			visit(table, []byte(row))
		}
	}
	return nil
}

// exports are files, by name; one that is nil cannot be read.
type exports map[string][]string

// Each implements privacy.Files.
func (x exports) Each(_ context.Context, visit func(string, iter.Seq2[[]byte, error])) error {
	for file, lines := range x {
		visit(file, func(yield func([]byte, error) bool) {
			if lines == nil {
				yield(nil, errors.New("packed"))
			}
			for _, line := range lines {
				if !yield([]byte(line), nil) {
					return
				}
			}
		})
	}
	return nil
}

// TestErase_FindsWhatReadsTheSame: data in clear is found however it is written: with JSON's escapes, in other
// case, inside of JSON in a text, a short name as a word of its own; in the log, in rows and in files.
func TestErase_FindsWhatReadsTheSame(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const person = `{"client":{"email":"kim&co@shop.example","first_name":"Kim","last_name":"O'Brien <the \"Third\">","phone":"LV"}}`
	sealed, err := l.vault.Seal(t.Context(), l.id, []byte(person))
	if err != nil {
		t.Fatal(err)
	}
	l.sealed(t, sealed)
	in := func(stream, text string) {
		l.append(t, stream, order.AnomalyFlagged{Code: order.FlagLate, Detail: text})
	}
	in("hits-1", "write to Kim&CO@shop.example")       // encoding/json writes \u0026
	in("hits-2", `{"note":"o'brien <the \"third\">"}`) // JSON in a text
	in("hits-3", "Kettle for Kim, engraved")
	in("misses-1", "Kimono")
	in("misses-2", "co at shop.example")
	in("misses-3", "LVL 1")
	l.eraser.Rows = tables{
		"ledger_data.orders":        {`{"merchant_reference":"kim\u0026co@shop.example"}`, `{"merchant_reference":"x"}`},
		"ledger_data.order_history": {`{"data":"{\"title\":\"for O'Brien \\u003cthe \\\"Third\\\">\"}"}`},
	}
	l.eraser.Files = exports{"/out/a.csv": {"SO-1", "kim&co@shop.example"}, "/out/b.csv": {"SO-1"}, "/out/c.gz": nil}
	receipt, err := l.erase(t, "operator:kim")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, at := range receipt.Leftovers {
		found = append(found, at.Stream+at.Table+at.File)
	}
	slices.Sort(found)
	want := []string{"/out/a.csv", "hits-1", "hits-2", "hits-3", "ledger_data.order_history", "ledger_data.orders"}
	if !slices.Equal(found, want) || receipt.RowsScanned != 3 || receipt.FilesScanned != 3 || !slices.Equal(receipt.Unread, []string{"/out/c.gz"}) {
		t.Errorf("found %q, want %q; %+v", found, want, receipt)
	}
}
