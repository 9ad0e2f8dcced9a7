package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// dying is an event store whose next fsync fails once it is told to.
type dying struct {
	*app.Store
	dies atomic.Bool
}

func newDying(t *testing.T) *dying {
	t.Helper()
	d := &dying{}
	n, err := node.Open(node.Options{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if isSync && d.dies.CompareAndSwap(true, false) {
			return syscall.EIO
		}
		return nil
	}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	d.Store = &app.Store{Store: n, Node: n}
	return d
}

// die lets one fsync fail, as a disk does that is about to.
func (d *dying) die(t *testing.T) {
	t.Helper()
	d.dies.Store(true)
	if _, err := d.Append(t.Context(), "s", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "T"}); err == nil {
		t.Fatal("an append whose fsync failed was acknowledged")
	}
}

// run serves until the test ends.
func run(t *testing.T, s *web.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestNode_FailedSync: a node whose log cannot be written says so where a supervisor and a monitor look.
func TestNode_FailedSync(t *testing.T) {
	t.Parallel()
	store := newDying(t)
	s, err := web.ListenNode(t.Context(), store.Store, "127.0.0.1:0", "token", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if status, body := get(t, s.URL()+"/readyz"); status != http.StatusOK {
		t.Errorf("a healthy node: %d %s", status, body)
	}
	if _, body := get(t, s.URL()+"/metrics"); !strings.Contains(body, "\nledger_eventstore_failed 0\n") {
		t.Errorf("metrics of a healthy node:\n%s", body)
	}
	watched := make(chan error, 1)
	go func() { watched <- store.Watch(t.Context()) }()
	store.die(t)
	if err := <-watched; !errors.Is(err, syscall.EIO) {
		t.Errorf("whoever watches the store is told %v, want the failed fsync", err)
	}
	if status, body := get(t, s.URL()+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, syscall.EIO.Error()) {
		t.Errorf("a failed node: %d %s, want 503 with the cause", status, body)
	}
	if status, _ := get(t, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz of a failed node: %d; it still answers reads", status)
	}
	if _, body := get(t, s.URL()+"/metrics"); !strings.Contains(body, "\nledger_eventstore_failed 1\n") {
		t.Errorf("metrics of a failed node:\n%s", body)
	}
}

// TestIndex_LinksLeadSomewhere follows the links of the first page, which names what is wrong.
func TestIndex_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	l, err := app.Open(t.Context(), config.Settings{
		DataDir: t.TempDir(), EventStore: config.Embedded, HTTP: "127.0.0.1:0", DatabaseURL: "postgres://127.0.0.1:1/none",
	}, slog.New(slog.DiscardHandler), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s, err := web.Listen(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, page := get(t, s.URL()+"/")
	if !strings.Contains(page, `<strong class="not_ready">`) {
		t.Errorf("the page does not say that the ledger is not ready:\n%s", page)
	}
	links := regexp.MustCompile(`<a href="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 8 {
		t.Errorf("%d links", len(links))
	}
	for _, link := range links {
		if status, body := get(t, s.URL()+link[1]); status == http.StatusNotFound || status == http.StatusBadRequest {
			t.Errorf("%s: %d %s", link[1], status, body)
		}
	}
}

// TestReadyz_DiskFull: a node that refuses appends for want of space is not ready, and names the cause.
func TestReadyz_DiskFull(t *testing.T) {
	t.Parallel()
	n, err := node.Open(node.Options{Dir: t.TempDir(), MinFreeBytes: 1 << 62})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	s, err := web.ListenNode(t.Context(), &app.Store{Store: n, Node: n}, "127.0.0.1:0", "token", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if status, body := get(t, s.URL()+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "disk full") {
		t.Errorf("readyz with a full disk: %d %s, want 503 with the cause", status, body)
	}
}

// TestNode_AdminStaysOnThisMachine: backups and metrics are not for the network.
func TestNode_AdminStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	store := newDying(t)
	for _, address := range []string{"0.0.0.0:0", ":0", "ledger.invalid:0", "nonsense"} {
		if s, err := web.ListenNode(t.Context(), store.Store, address, "token", slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("serves on %s", s.Addr())
		}
	}
}

// TestReadyz_FailedSync: a ledger whose own log failed is not ready, and names the cause.
func TestReadyz_FailedSync(t *testing.T) {
	t.Parallel()
	l, err := app.Open(t.Context(), config.Settings{
		DataDir: t.TempDir(), EventStore: config.Embedded, HTTP: "127.0.0.1:0", DatabaseURL: "postgres://127.0.0.1:1/none",
	}, slog.New(slog.DiscardHandler), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Store.Close(); err != nil {
		t.Fatal(err)
	}
	store := newDying(t)
	l.Store.Store, l.Store.Node = store.Node, store.Node
	s, err := web.Listen(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	store.die(t)
	status, body := get(t, s.URL()+"/readyz")
	var health web.Health
	if err := json.Unmarshal([]byte(body), &health); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(health.LastError, syscall.EIO.Error()) {
		t.Errorf("readyz: %d %s, want 503 with the cause", status, body)
	}
	if _, body := get(t, s.URL()+"/metrics"); !strings.Contains(body, "\nledger_eventstore_failed 1\n") {
		t.Error("the metrics do not show the failure")
	}
}
