package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/test/harness"
)

// fillNode writes appends of one to three events to a node, to streams in turn, and returns how many events these are.
func fillNode(t *testing.T, n *aloneNode, appends int) (events int) {
	t.Helper()
	store := connectStore(t, n.Events)
	var work sync.WaitGroup
	var written atomic.Int64
	const writers = 8
	for w := range writers {
		work.Go(func() {
			for i := range appends / writers {
				batch := make([]eventstore.EventData, 1+i%3)
				for k := range batch {
					batch[k] = eventstore.EventData{ID: uuid.New(), Type: "Filled", JSON: true, Data: []byte(`{}`), Metadata: fmt.Appendf(nil, `{"n":%d}`, k)}
				}
				if _, err := store.Append(t.Context(), fmt.Sprintf("order-%d-%d", w, i/5), eventstore.Any, batch...); err != nil {
					t.Error(err)
					return
				}
				written.Add(int64(len(batch)))
			}
		})
	}
	work.Wait()
	return int(written.Load())
}

// TestCopyLog_Killed kills a copy from node to node again and again, and takes its memory away; two that finish it at once do
// not hinder each other, and what comes out is equal to the source.
func TestCopyLog_Killed(t *testing.T) {
	t.Parallel()
	from, to := launchNode(t, harness.Options{}), launchNode(t, harness.Options{})
	events := fillNode(t, from, 800)
	target := connectStore(t, to.Events)
	site := harness.NewSite(t, harness.Options{})
	copied := func() int {
		head, _, err := target.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return int(head.Commit)
	}
	for kill := range 3 {
		p := harness.Launch(t, site.Command("copy-log", "--from", from.Events, "--to", to.Events))
		harness.Eventually(t, "a part is copied", func() bool { return copied() > (kill+1)*events/5 })
		p.Kill(t)
		if kill == 1 {
			if err := os.Remove(filepath.Join(site.Dir, "copy-log.json")); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	if n := copied(); n >= events {
		t.Logf("all %d events were copied before the last kill", n)
	}
	other := harness.NewSite(t, harness.Options{})
	results := make(chan harness.Result, 2)
	for _, s := range []*harness.Site{site, other} {
		go func() { results <- s.Run(t, "copy-log", "--from", from.Events, "--to", to.Events) }()
	}
	for range 2 {
		if r := <-results; r.Code != 0 || !strings.HasSuffix(r.LastLine(), fmt.Sprintf("verified %d events", events)) {
			t.Errorf("exit code %d, %q; want all %d verified\n%s", r.Code, r.LastLine(), events, r.Stderr)
		}
	}
	if n := copied(); n != events {
		t.Errorf("the copy has %d events, want %d", n, events)
	}
}

// TestCopyLog_Refuses copies nothing to a log that holds other events, and does not call a copy whole whose source goes on growing.
func TestCopyLog_Refuses(t *testing.T) {
	t.Parallel()
	from, to, foreign := launchNode(t, harness.Options{}), launchNode(t, harness.Options{}), launchNode(t, harness.Options{})
	events, others := fillNode(t, from, 80), fillNode(t, foreign, 16)
	site := harness.NewSite(t, harness.Options{})
	if r := site.Run(t, "copy-log", "--from", from.Events, "--to", foreign.Events); r.Code == 0 || !strings.Contains(r.Stderr, "nothing was copied: event 1 of the log differs") {
		t.Errorf("copy onto another log: exit code %d\n%s", r.Code, r.Stderr)
	}
	if head, _, err := connectStore(t, foreign.Events).Head(t.Context()); err != nil || int(head.Commit) != others {
		t.Errorf("the other log has %s, %v; want its %d events", head, err, others)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var written atomic.Int64
	var writer sync.WaitGroup
	growing := connectStore(t, from.Events)
	writer.Go(func() {
		if err := appendUntil(ctx, growing, 10, &written); err != nil {
			t.Error(err)
		}
	})
	harness.Eventually(t, "the source grows", func() bool { return written.Load() > 0 })
	// Whether it has grown between the last look and the end is chance; that the copy differs would be wrong.
	if r := site.Run(t, "copy-log", "--from", from.Events, "--to", to.Events); r.Code != 0 && !strings.Contains(r.Stderr, "goes on growing") {
		t.Errorf("copy of a growing log: exit code %d, %q\n%s", r.Code, r.LastLine(), r.Stderr)
	}
	cancel()
	writer.Wait()
	if r := site.RunOK(t, "copy-log", "--from", from.Events, "--to", to.Events); !strings.Contains(r.LastLine(), "verified ") ||
		strings.Contains(r.LastLine(), fmt.Sprintf("verified %d events", events)) {
		t.Errorf("when it has stopped growing: %q, want more than the first %d events", r.LastLine(), events)
	}
}
