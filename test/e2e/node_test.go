package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/test/harness"
)

// aloneNode is a running `ledger node`.
type aloneNode struct {
	*harness.Process
	Site          *harness.Site
	Events, Admin string
}

func launchNode(t *testing.T, o harness.Options) *aloneNode {
	t.Helper()
	n := &aloneNode{Site: harness.NewSite(t, o)}
	n.Process = harness.Launch(t, n.Site.Command("node", "--eventstore-listen", "127.0.0.1:0"))
	if err := json.Unmarshal([]byte(n.Stderr().WaitForLine(t, `"msg":"serving"`)), n); err != nil {
		t.Fatal(err)
	}
	return n
}

func connectStore(t *testing.T, connection string) *esdbstore.Store {
	t.Helper()
	store, err := esdbstore.Open(esdbstore.Options{ConnectionString: connection})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// appendUntil appends events of a size to a stream until ctx ends or one fails, and counts them.
func appendUntil(ctx context.Context, store eventstore.Store, bytes int, count *atomic.Int64) error {
	for ctx.Err() == nil {
		e := eventstore.EventData{ID: uuid.New(), Type: "Written", Data: make([]byte, bytes)}
		if _, err := store.Append(ctx, "written", eventstore.Any, e); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it was called off
			}
			return err
		}
		count.Add(1)
	}
	return nil
}

// TestBackup_OfARunningNode copies the log of a node that runs alone while a client writes to it.
func TestBackup_OfARunningNode(t *testing.T) {
	t.Parallel()
	n := launchNode(t, harness.Options{})
	store := connectStore(t, n.Events)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var written atomic.Int64
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := appendUntil(ctx, store, 512, &written); err != nil {
			t.Errorf("append during the backup: %v", err)
		}
	})
	harness.Eventually(t, "something is written", func() bool { return written.Load() > 100 })
	before := written.Load()
	copied := filepath.Join(t.TempDir(), "copy")
	n.Site.RunOK(t, "backup", copied)
	if r := n.Site.Run(t, "backup", copied); r.Code == 0 {
		t.Error("a second backup to the same folder succeeded")
	}
	after := written.Load()
	harness.Eventually(t, "writing goes on", func() bool { return written.Load() > after })
	cancel()
	writer.Wait()

	var report struct {
		Sound  bool  `json:"sound"`
		Events int64 `json:"Events"`
	}
	if err := json.Unmarshal([]byte(n.Site.RunOK(t, "verify", "--json", copied).Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Sound || report.Events < before {
		t.Errorf("verify says %+v, want the %d events that were acknowledged before", report, before)
	}
	var status struct {
		Running bool   `json:"running"`
		URL     string `json:"url"`
		Log     string `json:"log_position"`
	}
	if err := json.Unmarshal([]byte(n.Site.RunOK(t, "status", "--json").Stdout), &status); err != nil {
		t.Fatal(err)
	}
	if !status.Running || status.URL != n.Events || status.Log == "" || status.Log == "none" {
		t.Errorf("status of a running node says %+v", status)
	}
	if r := n.Site.Run(t, "serve"); r.Code == 0 || !strings.Contains(r.Stderr, n.Events) {
		t.Errorf("serve beside a node says %q, want how to use the node's log", r.Stderr)
	}
	if r := n.Terminate(t); r.Code != 0 {
		t.Errorf("stop: exit code %d\n%s", r.Code, r.Stderr)
	}
	if _, err := os.Stat(filepath.Join(n.Site.Dir, "node.token")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the token outlives the node: %v", err)
	}
}

// TestLog_ThatCannotBeWrittenEndsTheProcess takes the log's folder away: the next file of it cannot be
// made, and whoever holds the log ends with an exit code that has a supervisor start it again.
func TestLog_ThatCannotBeWrittenEndsTheProcess(t *testing.T) {
	t.Parallel()
	mustEnd := func(t *testing.T, p *harness.Process, site *harness.Site, events string) {
		t.Helper()
		store := connectStore(t, events)
		var written atomic.Int64
		gone := filepath.Join(site.Dir, "gone")
		if err := os.Rename(filepath.Join(site.Dir, "events"), gone); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var writer sync.WaitGroup
		writer.Go(func() { _ = appendUntil(ctx, store, 64<<10, &written) })
		r := p.Wait(t)
		cancel()
		writer.Wait()
		if r.Code != 1 || !strings.Contains(r.Stderr, "ledger: the event log stopped writing; it needs a restart") {
			t.Errorf("exit code %d\n%s", r.Code, r.Stderr)
		}
		// Nothing that was acknowledged is lost.
		if err := os.Rename(gone, filepath.Join(site.Dir, "events")); err != nil {
			t.Fatal(err)
		}
		var report struct {
			Sound  bool  `json:"sound"`
			Events int64 `json:"Events"`
		}
		if err := json.Unmarshal([]byte(site.RunOK(t, "verify", "--json").Stdout), &report); err != nil {
			t.Fatal(err)
		}
		if !report.Sound || report.Events < written.Load() {
			t.Errorf("verify says %+v, want %d events", report, written.Load())
		}
	}
	t.Run("Node", func(t *testing.T) {
		t.Parallel()
		n := launchNode(t, harness.Options{})
		mustEnd(t, n.Process, n.Site, n.Events)
	})
	t.Run("Serve", func(t *testing.T) {
		t.Parallel()
		l := harness.Serve(t, harness.Options{Env: []string{"LEDGER_EVENTSTORE_LISTEN=127.0.0.1:0"}})
		var said struct{ Events string }
		if err := json.Unmarshal([]byte(l.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
			t.Fatal(err)
		}
		mustEnd(t, l.Process, l.Site, "esdb://"+said.Events+"?tls=false")
	})
}

// TestNode_RefusesToAdvertiseAWildcard: clients that discover it could not reach it.
func TestNode_RefusesToAdvertiseAWildcard(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, harness.Options{})
	if r := site.Run(t, "node", "--eventstore-listen", "127.0.0.1:0", "--eventstore-advertise", "0.0.0.0:2113"); r.Code == 0 ||
		!strings.Contains(r.Stderr, "advertise the host and port") {
		t.Errorf("exit code %d\n%s", r.Code, r.Stderr)
	}
	n := launchNode(t, harness.Options{Config: "eventstore:\n  advertise: ledger.invalid:2113\n"})
	if n.Events != "esdb://ledger.invalid:2113?tls=false" {
		t.Errorf("the node says that it is at %s", n.Events)
	}
}
