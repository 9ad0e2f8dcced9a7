package app_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

const client = `{"email":"ada.byron@example.com"}`

// sealedOrder makes an order with sealed personal data.
func sealedOrder(t *testing.T, s config.Settings, store *app.Store) (intake *commands.Intake, id, token string) {
	t.Helper()
	intake = commands.NewIntake(commands.IntakeConfig{Log: store, Translators: []commands.Translator{decta.New()}})
	accepted, err := intake.Accept(t.Context(), commands.Notification{
		Gateway: "decta", Account: "default", Via: commands.ViaWebhook, Verified: "none",
		Body: []byte(`{"id":"d-1","status":"issued","currency":"EUR","total":10.00,"issued":1795132800,"modified":1795132800}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	vault, _, err := app.OpenVault(t.Context(), s, store)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = vault.Seal(t.Context(), accepted.OrderID, []byte(client)); err != nil {
		t.Fatal(err)
	}
	stream, now := order.StreamName(order.CategoryOrder, accepted.OrderID), time.Now().UTC()
	eventType, data, metadata, err := order.Encode(order.CommandRecorded{
		CommandID: accepted.NotificationID, Action: order.ActionRegister, KeySHA256: "k", Request: []byte(`{}`), Sealed: token,
	}, order.Metadata{LedgerID: accepted.NotificationID, OccurredAt: now, RecordedAt: now, Source: "decta", Actor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{
		ID: order.EventID(stream, "sealed", eventType), Type: eventType, JSON: true, Data: data, Metadata: metadata,
	}); err != nil {
		t.Fatal(err)
	}
	return intake, accepted.OrderID, token
}

func openStore(t *testing.T, s config.Settings) *app.Store {
	t.Helper()
	store, err := app.OpenStore(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestOpen_FinishesARestoreOfKeys: a restore of keys that was killed before it destroyed again what is erased is finished
// by the ledger that starts next.
func TestOpen_FinishesARestoreOfKeys(t *testing.T) {
	t.Parallel()
	s := config.Settings{DataDir: t.TempDir(), EventStore: config.Embedded, HTTP: "127.0.0.1:0"}
	store := openStore(t, s)
	intake, id, token := sealedOrder(t, s, store)
	copied := t.TempDir()
	if _, err := app.BackUpKeys(t.Context(), s, store, copied); err != nil {
		t.Fatal(err)
	}
	if _, err := (&app.EraseRequest{Order: id, Actor: "kim"}).Run(t.Context(), s, store, intake, nil, nil); err != nil {
		t.Fatal(err)
	}
	// The disk with the keys was lost, and the restore killed in the middle.
	if err := errors.Join(
		os.RemoveAll(filepath.Join(s.KeysDir(), "sheets")), os.WriteFile(filepath.Join(s.KeysDir(), "restoring"), nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := privacy.Merge(t.Context(), privacy.KeysInFolder(copied), privacy.KeysInFolder(s.KeysDir())); err != nil {
		t.Fatal(err)
	}
	shows := func(want string) {
		t.Helper()
		vault, _, err := app.OpenVault(t.Context(), s, store)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := vault.Show(t.Context(), id, token); err != nil || text != want {
			t.Errorf("shows %q, %v, want %q", text, err, want)
		}
	}
	shows(client)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	ledger, err := app.Open(t.Context(), s, slog.New(slog.DiscardHandler), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	store = ledger.Store
	shows(privacy.Erased)
	if _, err := os.Stat(filepath.Join(s.KeysDir(), "restoring")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is not marked as finished: %v", err)
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenVault_SharedStreams: a second ledger on one event store makes no master key of its own, which could not open
// what the first one sealed.
func TestOpenVault_SharedStreams(t *testing.T) {
	t.Parallel()
	one := config.Settings{DataDir: t.TempDir(), EventStore: config.Embedded, Keys: "streams"}
	store := openStore(t, one)
	defer func() { _ = store.Close() }()
	_, id, token := sealedOrder(t, one, store)
	one.EventStoreListen = "127.0.0.1:0"
	if _, err := store.Serve(t.Context(), one, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	two := config.Settings{DataDir: t.TempDir(), EventStore: store.ConnectionString(), HTTP: "127.0.0.1:0"}
	if _, _, err := app.OpenVault(t.Context(), two, store); err == nil || !strings.Contains(err.Error(), "--master-key") {
		t.Errorf("without the master key: %v", err)
	}
	ledger, err := app.Open(t.Context(), two, slog.New(slog.DiscardHandler), func(string) {})
	if err != nil {
		t.Fatalf("a ledger without the master key takes nothing at all: %v", err)
	}
	if _, err := ledger.Orders.Personal(t.Context(), id); !errors.Is(err, commands.ErrNoSealer) {
		t.Errorf("it shows personal data: %v", err)
	}
	if err := ledger.Close(); err != nil {
		t.Error(err)
	}
	two.MasterKey = "file:" + filepath.Join(one.KeysDir(), "master.key")
	vault, _, err := app.OpenVault(t.Context(), two, store)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := vault.Show(t.Context(), id, token); err != nil || text != client {
		t.Errorf("shows %q, %v", text, err)
	}
}

// TestKeyPlace says where keys are made when nobody says so.
func TestKeyPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ store, keys, want string }{
		{config.Embedded, "", "folder"}, {"esdb://es1:2113", "", "streams"}, {config.Embedded, "streams", "streams"}, {"esdb://es1:2113", "folder", "folder"},
	} {
		if place, err := (config.Settings{EventStore: c.store, Keys: c.keys}).KeyPlace(); err != nil || string(place) != c.want {
			t.Errorf("%+v: %s, %v", c, place, err)
		}
	}
	if _, err := (config.Settings{Keys: "stream"}).KeyPlace(); err == nil {
		t.Error("a place that is none is taken")
	}
}

// TestErase_StreamsAreScavenged: after an erasure no file of the embedded node holds the key any more, wrapped neither, be
// it that the process ends before it scavenges, and the next one never scavenges the whole log.
func TestErase_StreamsAreScavenged(t *testing.T) {
	t.Parallel()
	t.Run("AtOnce", func(t *testing.T) {
		t.Parallel()
		erasedKeysVanish(t, func(_ config.Settings, store *app.Store) *app.Store {
			if err := store.FinishErasure(t.Context()); err != nil {
				t.Error(err)
			}
			return store
		})
	})
	t.Run("ByTheNextProcess", func(t *testing.T) {
		t.Parallel()
		erasedKeysVanish(t, func(s config.Settings, store *app.Store) *app.Store {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			next := openStore(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- next.Scavenging(ctx, -1, slog.New(slog.DiscardHandler)) }()
			t.Cleanup(func() {
				cancel()
				if err := errors.Join(<-done, next.Close()); err != nil {
					t.Error(err)
				}
			})
			return next
		})
	})
}

func erasedKeysVanish(t *testing.T, scavenge func(config.Settings, *app.Store) *app.Store) {
	t.Helper()
	s := config.Settings{DataDir: t.TempDir(), EventStore: config.Embedded, Keys: "streams"}
	store := openStore(t, s)
	defer func() { _ = store.Close() }()
	intake, id, token := sealedOrder(t, s, store)
	sheet, number, _ := strings.Cut(strings.Split(token, ":")[2], ".")
	slot, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	var key, neighbour []byte
	for e, err := range store.ReadStream(t.Context(), "ledger-keys-"+sheet, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		const header, size = 4096, 64
		at := header + slot*size
		key, neighbour = e.Data[at:at+size], e.Data[at-size:at]
	}
	held := func(text []byte) (in []string) {
		_ = filepath.WalkDir(s.DataDir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, text) {
					in = append(in, path)
				}
			}
			return nil
		})
		return in
	}
	if len(held(key)) == 0 {
		t.Fatal("the key is in no file: the search is blind")
	}
	answer, err := (&app.EraseRequest{Order: id, Actor: "kim"}).Run(t.Context(), s, store, intake, nil, nil)
	if err != nil || answer.Receipts[0].Hidden != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	store = scavenge(s, store)
	deadline := time.After(30 * time.Second)
	for len(held(key)) > 0 || len(held(neighbour)) == 0 { // tables are written anew, and deleted, in the background
		select {
		case <-deadline:
			t.Fatalf("the key is in %v, its neighbour in %v", held(key), held(neighbour))
		default:
			runtime.Gosched()
		}
	}
}
