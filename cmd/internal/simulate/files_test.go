package simulate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
)

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	opts := simulate.Options{Orders: 400, Seed: 9}
	notifications, rows := collect(t, opts)
	want := map[string][][]byte{}
	for _, n := range notifications {
		want[n.Gateway+".ndjson"] = append(want[n.Gateway+".ndjson"], n.Body)
	}
	for _, e := range rows {
		name := simulate.ExpectedFile
		if e.View != "" {
			name = simulate.ExpectedOtherFile
		}
		want[name] = append(want[name], []byte(encode(t, e)))
	}
	dir, last := filepath.Join(t.TempDir(), "new"), 0
	if err := simulate.WriteFiles(t.Context(), opts, dir, func(done int) { last = done }); err != nil {
		t.Fatal(err)
	}
	if last != opts.Orders {
		t.Errorf("progress ended at %d of %d orders", last, opts.Orders)
	}
	for name, lines := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if wanted := append(bytes.Join(lines, []byte("\n")), '\n'); !bytes.Equal(got, wanted) {
			t.Errorf("%s differs from what Run says", name)
		}
	}
}

// TestRowsInTheirFiles: readers of the files find each row's columns.
func TestRowsInTheirFiles(t *testing.T) {
	t.Parallel()
	_, rows := collect(t, simulate.Options{Orders: 3000, Seed: 10})
	views := map[string]int{}
	for _, e := range rows {
		views[e.View]++
		var columns map[string]any
		if err := json.Unmarshal([]byte(encode(t, e)), &columns); err != nil {
			t.Fatal(err)
		}
		for view, column := range map[string]string{"": "dispute_held", simulate.ViewTestOrders: "net", simulate.ViewPayouts: "paid_out"} {
			if _, has := columns[column]; e.View == view && !has {
				t.Errorf("a row of view %q has no %s: %v", view, column, columns)
			}
		}
	}
	if views[simulate.ViewTestOrders] == 0 || views[simulate.ViewPayouts] == 0 {
		t.Errorf("views of the rows: %v, want all", views)
	}
}

func TestStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := simulate.WriteFiles(ctx, simulate.Options{Orders: 100_000, Seed: 1}, t.TempDir(), func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestNegativeNumber(t *testing.T) {
	t.Parallel()
	if err := simulate.Run(simulate.Options{Orders: -1}, nil, nil); err == nil {
		t.Error("no error for -1 orders")
	}
}
