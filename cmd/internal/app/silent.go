package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/schema"
)

const (
	// firstAnswer bounds connecting to a database, before work with it begins.
	firstAnswer = 5 * time.Second
	// askEvery and silenceMost: a database that does not answer for that long, asked that often, hangs. Work with it would wait for
	// ever.
	askEvery    = time.Second
	silenceMost = 8 * time.Second
)

// SilentError says that a database hangs.
type SilentError struct{ Address string }

func (e *SilentError) Error() string {
	return "the database at " + e.Address + " does not answer: its processes or its disk hang"
}

// WhileItAnswers does work with the database, however long it takes, as long as the database answers: when it hangs, the work's
// context ends and the error is a *SilentError. It does not begin when the database cannot be connected to. The database is ready.
func (d *Database) WhileItAnswers(ctx context.Context, work func(ctx context.Context) error) error {
	conn, silent, err := d.watcher(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer func() { _ = conn.Close(ctx) }()
		if hangs(ctx, conn, d.silenceMost) {
			cancel(silent)
		}
	}()
	err = work(ctx)
	if errors.Is(context.Cause(ctx), silent) && err != nil {
		err = silent
	}
	cancel(nil)
	<-watched
	return err
}

// watcher connects; silent is what to say when the database hangs later.
func (d *Database) watcher(ctx context.Context) (conn *pgx.Conn, silent *SilentError, err error) {
	config, err := pgx.ParseConfig(d.URL())
	if err != nil {
		return nil, nil, fmt.Errorf("read the URL of the database: %w", err)
	}
	silent = &SilentError{Address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
	first, cancel := context.WithTimeoutCause(ctx, d.firstAnswer, silent)
	defer cancel()
	if conn, err = d.ConnectTo(first, schema.Live); err != nil && errors.Is(context.Cause(first), silent) {
		err = silent
	}
	return conn, silent, err
}

// hangs waits until a connection is silent for longer than most, and is false when it ends, or ctx does: that the work notices by itself.
func hangs(ctx context.Context, conn *pgx.Conn, most time.Duration) bool {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
		asked, cancel := context.WithTimeout(ctx, most)
		err := conn.Ping(asked)
		late := asked.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil {
			return late
		}
	}
}
