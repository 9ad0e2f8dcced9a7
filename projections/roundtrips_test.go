package projections_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// tripsMost is how often one transaction may wait for an answer of the database.
const tripsMost = 4

// counted is a connection that counts how often the server said that it is ready for the next query: once for each
// request whose end the client has to wait for, a pipeline of many statements and a COPY among them.
type counted struct {
	net.Conn
	trips *atomic.Int64

	header []byte // of the message that is being read, as far as it came
	skip   int    // what is left of its body
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.count(b[:n])
	return n, err
}

// count follows the messages: a byte of type, four of length, which counts itself, and the body.
func (c *counted) count(b []byte) {
	const header, lengthOfLength, ready = 5, 4, 'Z'
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip, b = c.skip-n, b[n:]
			continue
		}
		n := min(header-len(c.header), len(b))
		c.header, b = append(c.header, b[:n]...), b[n:]
		if len(c.header) < header {
			continue
		}
		if c.header[0] == ready {
			c.trips.Add(1)
		}
		c.skip, c.header = int(binary.BigEndian.Uint32(c.header[1:]))-lengthOfLength, c.header[:0]
	}
}

// TestRunner_RoundTrips counts, in what the server says, how often a batch that writes all models waits for the
// database: the time of a round trip and not of a row is what projecting costs over a network.
func TestRunner_RoundTrips(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(51).history(t, 40, 600))
	var trips atomic.Int64
	cfg := config(log, url)
	cfg.BatchEvents = 100
	cfg.KeepAlive = deadline // it asks too
	cfg.Connect = func(ctx context.Context) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		schema.Use(config, schema.Live)
		config.TLSConfig, config.Fallbacks = nil, nil // the messages are read on the way
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn, trips: &trips}, nil
		}
		return pgx.ConnectConfig(ctx, config)
	}
	var before, batches, more atomic.Int64
	cfg.OnBatch = func(b projections.Batch) {
		now := trips.Load()
		n := now - before.Swap(now)
		if b.Events == 0 || batches.Add(1) <= 3 { // the first prepare their statements
			return
		}
		if n == 0 || n > tripsMost+1 {
			t.Errorf("a batch took %d round trips, want at most %d", n, tripsMost)
		}
		if n > tripsMost {
			more.Add(1)
		}
	}
	r := start(t, cfg)
	reach(t, log, newPool(t, url))
	r.stop(t)
	if n := batches.Load(); n < 6 {
		t.Fatalf("only %d batches", n)
	}
	// A statement that is used for the first time later on is prepared then.
	if n := more.Load(); n > batches.Load()/5 {
		t.Errorf("%d of %d batches took more than %d round trips", n, batches.Load(), tripsMost)
	}
}
