package eventstoretest

import (
	"errors"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
)

func (s suite) testClose(t *testing.T) {
	t.Run("LaterCalls", func(t *testing.T) { closeLaterCalls(s.setup(t)) })
	t.Run("EndsSubscriptions", func(t *testing.T) { closeEndsSubscriptions(s.setup(t)) })
	t.Run("DuringRead", func(t *testing.T) { closeDuringRead(s.setup(t)) })
}

func (b *bundle) close() {
	b.Helper()
	if err := b.store.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
}

func closeLaterCalls(b *bundle) {
	stream := b.stream("s")
	b.append(stream, eventstore.Any, events(1)...)
	b.close()
	calls := map[string]error{}
	_, calls["Append"] = b.store.Append(b.ctx, stream, eventstore.Any, events(1)...)
	_, _, calls["Head"] = b.store.Head(b.ctx)
	_, calls["ReadStream"] = collect(b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{}))
	_, calls["ReadAll"] = collect(b.store.ReadAll(b.ctx, eventstore.AllRead{}))
	_, calls["SubscribeAll"] = collect(b.store.SubscribeAll(b.ctx, eventstore.AllSubscription{}))
	_, calls["SubscribeStream"] = collect(b.store.SubscribeStream(b.ctx, stream, nil))
	for name, err := range calls {
		if !errors.Is(err, eventstore.ErrClosed) {
			b.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	b.close() // a second Close is no error
}

func closeEndsSubscriptions(b *bundle) {
	ended := make(chan error, 2)
	live := make(chan struct{}, 2)
	follow := func(next func() (eventstore.Message, error, bool)) {
		for {
			m, err, ok := next()
			if err != nil || !ok {
				ended <- err
				return
			}
			if _, ok := m.(eventstore.CaughtUp); ok {
				live <- struct{}{}
			}
		}
	}
	go follow(b.tapAll(eventstore.AllSubscription{After: b.before()}).next)
	go follow(b.tap(b.store.SubscribeStream(b.ctx, b.stream("s"), nil)).next)
	for range 2 {
		select {
		case <-live:
		case <-b.ctx.Done():
			b.Fatal("subscriptions do not go live")
		}
	}
	b.close()
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, eventstore.ErrClosed) {
				b.Errorf("subscription ended with %v, want ErrClosed", err)
			}
		case <-b.ctx.Done():
			b.Fatal("Close did not end the subscriptions")
		}
	}
}

// closeDuringRead: a consumer that holds a sequence open does not hold up Close, and does not crash.
func closeDuringRead(b *bundle) {
	stream := b.stream("s")
	for range 40 {
		b.append(stream, eventstore.Any, eventstore.EventData{ID: event("", "").ID, Type: "Big", Data: make([]byte, 50<<10)})
	}
	seen := 0
	var last error
	for _, err := range b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{}) {
		if last = err; err != nil {
			break
		}
		if seen++; seen == 1 {
			b.close()
		}
	}
	if last == nil && seen != 40 || last != nil && !errors.Is(last, eventstore.ErrClosed) {
		b.Errorf("read across Close: %d events, then %v", seen, last)
	}
}
