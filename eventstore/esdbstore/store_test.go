package esdbstore_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
)

// TestReads_LeaveNothingBehind: reads and subscriptions that are broken off
// leave no goroutine behind.
func TestReads_LeaveNothingBehind(t *testing.T) { // alone: it counts goroutines
	e := newEngine(t)
	s := e.open()
	for range 50 {
		if _, err := e.node.Append(e.ctx, "s", eventstore.Any, newEvent()); err != nil {
			t.Fatal(err)
		}
	}
	breakOff := func() {
		for _, err := range s.ReadStream(e.ctx, "s", eventstore.StreamRead{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		for _, err := range s.SubscribeAll(e.ctx, eventstore.AllSubscription{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	breakOff()
	before := runtime.NumGoroutine()
	for range 100 {
		breakOff()
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before+10 {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			t.Fatalf("%d goroutines, there were %d before 200 broken-off reads", runtime.NumGoroutine(), before)
		}
	}
}

func TestOpen_ConnectionStrings(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"esdb://localhost", "esdb+discover://cluster.example:2113", "kurrentdb://localhost:2113?tls=false",
		"kurrentdb+discover://user:secret@cluster.example", "esdb://a:1,b:2,c:3?tlsVerifyCert=false",
	} {
		s, err := esdbstore.Open(esdbstore.Options{ConnectionString: good})
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "postgres://user:s3cret@localhost", "esdb://user:s3cret@", "esdb://user:s3cret@host:port", "esdb://user:s3cret@host/path",
	} {
		_, err := esdbstore.Open(esdbstore.Options{ConnectionString: bad})
		if !errors.Is(err, eventstore.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", bad, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error tells the password: %v", bad, err)
		}
	}
}

// TestErrors_Typed: what the client says in words becomes the port's errors.
func TestErrors_Typed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.open()
	if !e.persist(s, "s", eventstore.NoStream, newEvent()) {
		return
	}
	var wrong *eventstore.WrongExpectedRevisionError
	if _, err := s.Append(e.ctx, "s", eventstore.Revision(7), newEvent()); !errors.As(err, &wrong) || wrong.Actual != 0 {
		t.Errorf("append at a wrong revision: %v", err)
	}
	if _, err := s.DeleteStream(e.ctx, "s", eventstore.Revision(7)); !errors.As(err, &wrong) || wrong.Actual != 0 || wrong.Stream != "s" {
		t.Errorf("delete at a wrong revision: %v", err)
	}
	big := newEvent()
	big.Data = make([]byte, eventstore.MaxAppendSize)
	var large *eventstore.TooLargeError
	if _, err := s.Append(e.ctx, "s", eventstore.Any, big); !errors.As(err, &large) || large.Size <= large.Limit {
		t.Errorf("append of too much: %v", err)
	}
	if _, err := s.TombstoneStream(e.ctx, "s", eventstore.Any); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(e.ctx, "s", eventstore.Any, newEvent()); !errors.Is(err, eventstore.ErrStreamDeleted) {
		t.Errorf("append to a tombstoned stream: %v", err)
	}
	for _, err := range s.ReadStream(e.ctx, "never", eventstore.StreamRead{}) {
		if !errors.Is(err, eventstore.ErrStreamNotFound) {
			t.Errorf("read of a missing stream: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(e.ctx, "s", eventstore.Any, newEvent()); !errors.Is(err, eventstore.ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
}
