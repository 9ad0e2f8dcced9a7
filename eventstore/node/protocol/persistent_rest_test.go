package protocol_test

import (
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// TestPersistent_FilteredGroupOnAllComesToRest: a group's own checkpoints must not make it write more of
// them, whether its filter lets events pass or none.
func TestPersistent_FilteredGroupOnAllComesToRest(t *testing.T) {
	for name, prefix := range map[string]string{"Shown": "s", "NotShown": "never"} {
		t.Run(name, func(t *testing.T) {
			g := newGroups(t)
			err := g.client.CreatePersistentSubscriptionToAll(g.ctx, "g", esdb.PersistentAllSubscriptionOptions{
				Settings: settings(), StartFrom: esdb.Start{},
				Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{prefix}},
			})
			if err != nil {
				t.Fatal(err)
			}
			sub, err := g.client.SubscribeToPersistentSubscriptionToAll(g.ctx, "g", esdb.SubscribeToPersistentSubscriptionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = sub.Close() })
			g.fill("s", 0, 3)
			if name == "Shown" {
				for range 3 {
					if err := sub.Ack(sub.Recv().EventAppeared.Event); err != nil {
						t.Fatal(err)
					}
				}
			}
			mustRest(g)
		})
	}
}

// mustRest waits until nothing was written for longer than a group waits before it writes a checkpoint.
func mustRest(g *groups) {
	g.Helper()
	const quiet, patience = 500 * time.Millisecond, time.Minute
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	begun, since, last := time.Now(), time.Now(), uint64(0)
	for now := range ticker.C {
		head, _, err := g.node.Head(g.ctx)
		if err != nil {
			g.Fatal(err)
		}
		if head.Commit != last {
			last, since = head.Commit, now
		}
		if now.Sub(since) > quiet {
			return
		}
		if now.Sub(begun) > patience {
			g.Fatalf("the log still grows after %s and stands at %d", patience, last)
		}
	}
}
