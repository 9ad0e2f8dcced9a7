package app

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections"
)

// Within a ledger that takes notifications in, and so has little memory, a rebuild has as much as it needs, and only as long as
// it works.
func TestRebuildRequest_HasMoreMemory(t *testing.T) {
	const little = 1 << 29
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(little))
	unreachable := errors.New("no database")
	var during int64
	connect := func(context.Context, string) (*pgx.Conn, error) {
		during = debug.SetMemoryLimit(-1)
		return nil, unreachable
	}
	engine, err := RebuildEngine(config.Settings{DataDir: t.TempDir()}, struct{ projections.Log }{}, slog.New(slog.DiscardHandler), connect, nil, nil,
		func() (time.Duration, bool) { return 0, false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := makeRoom()
	for _, begun := range []string{"beside another", "alone"} {
		request := RebuildRequest{Verb: RebuildVerify}
		if _, err := request.Run(t.Context(), engine, nil); !errors.Is(err, unreachable) {
			t.Fatal(err)
		}
		if during != RebuildMemory {
			t.Errorf("%s: the limit is %d", begun, during)
		}
		other()
	}
	if limit := debug.SetMemoryLimit(-1); limit != little {
		t.Errorf("afterwards it is %d", limit)
	}
}
