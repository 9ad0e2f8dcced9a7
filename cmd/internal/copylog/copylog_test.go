package copylog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/copylog"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func open(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func fill(t *testing.T, n *node.Node, orders int) {
	t.Helper()
	for i := range orders {
		for r := range 3 {
			expected := eventstore.NoStream
			if r > 0 {
				expected = eventstore.Revision(uint64(2*r - 1))
			}
			stream := fmt.Sprintf("order-%d", i)
			event := func(k string) eventstore.EventData {
				return eventstore.EventData{ID: uuid.New(), Type: "T" + k, JSON: true, Data: []byte(`{"k":"` + k + `"}`), Metadata: []byte(`{}`)}
			}
			if _, err := n.Append(t.Context(), stream, expected, event("a"), event("b")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := n.SetStreamMetadata(t.Context(), "order-0", eventstore.NoStream, []byte(`{"x":1}`)); err != nil {
		t.Fatal(err)
	}
}

// TestCopy_StoppedAndBegunAgain stops a copy after every append and begins it
// again, from the saved position and from the start.
func TestCopy_StoppedAndBegunAgain(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	fill(t, from, 20)
	errStopped := errors.New("stopped")
	var at *eventstore.Position
	for stops := 0; ; stops++ {
		_, err := copylog.Copy(t.Context(), from, to, at, func(p copylog.Progress) error {
			if stops%2 == 0 { // every other time the saved position is lost
				at = &p.Position
			}
			return errStopped
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		if stops > 200 {
			t.Fatal("the copy does not come to an end")
		}
	}
	if _, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil }); err != nil {
		t.Fatalf("again from the start: %v", err)
	}
	n, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {})
	if err != nil || n != 120 {
		t.Errorf("verified %d events: %v, want 120", n, err)
	}
}

func TestVerify_FindsDifferences(t *testing.T) {
	t.Parallel()
	from := open(t)
	fill(t, from, 3)
	for name, spoil := range map[string]func(*testing.T, *node.Node){
		"Nothing": func(*testing.T, *node.Node) {},
		"Other": func(t *testing.T, to *node.Node) {
			fill(t, to, 3) // the same streams with other ids
		},
		"More": func(t *testing.T, to *node.Node) {
			if _, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil }); err != nil {
				t.Fatal(err)
			}
			_, err := to.Append(t.Context(), "order-9", eventstore.NoStream, eventstore.EventData{ID: uuid.New(), Type: "T"})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := open(t)
			spoil(t, to)
			_, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {})
			var difference *copylog.DifferenceError
			if !errors.As(err, &difference) {
				t.Errorf("verify: %v, want a difference", err)
			}
		})
	}
	t.Run("CopyRefusesOtherEvents", func(t *testing.T) {
		t.Parallel()
		to := open(t)
		fill(t, to, 3)
		_, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil })
		var wrong *eventstore.WrongExpectedRevisionError
		if !errors.As(err, &wrong) {
			t.Errorf("copy onto other events: %v, want a version conflict", err)
		}
	})
}

// TestHolds: a mark counts only while the logs are those that it was made for.
func TestHolds(t *testing.T) {
	t.Parallel()
	from, to, other := open(t), open(t), open(t)
	fill(t, from, 3)
	fill(t, other, 3) // the same streams, other events
	var at eventstore.Position
	if _, err := copylog.Copy(t.Context(), from, to, nil, func(p copylog.Progress) error { at = p.Position; return nil }); err != nil {
		t.Fatal(err)
	}
	beyond := eventstore.Position{Commit: 1 << 30, Prepare: 1 << 30}
	for name, c := range map[string]struct {
		from, to eventstore.Store
		at       eventstore.Position
		want     bool
	}{
		"Same":          {from, to, at, true},
		"NewTarget":     {from, open(t), at, false},
		"OtherTarget":   {from, other, at, false},
		"OtherSource":   {other, to, at, false},
		"ShorterSource": {from, to, beyond, false},
		"EmptySource":   {open(t), to, at, false},
	} {
		if got, err := copylog.Holds(t.Context(), c.from, c.to, c.at); err != nil || got != c.want {
			t.Errorf("%s: %t, %v; want %t", name, got, err, c.want)
		}
	}
}

// TestCommon: what a copy has is recognised whole or in part, and anything else is refused with the first event that differs.
func TestCommon(t *testing.T) {
	t.Parallel()
	from := open(t)
	fill(t, from, 3)
	errStopped := errors.New("stopped")
	for name, c := range map[string]struct {
		prepare func(*testing.T, *node.Node) error
		events  uint64
		differs bool
	}{
		"Empty": {func(*testing.T, *node.Node) error { return nil }, 0, false},
		"Part": {func(t *testing.T, to *node.Node) error {
			appends := 0
			_, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error {
				if appends++; appends == 2 {
					return errStopped
				}
				return nil
			})
			if !errors.Is(err, errStopped) {
				return err
			}
			return nil
		}, 12, false},
		"Whole": {func(t *testing.T, to *node.Node) error {
			_, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil })
			return err
		}, 18, false},
		"SystemEvents": {func(t *testing.T, to *node.Node) error {
			_, err := to.Append(t.Context(), "$settings", eventstore.NoStream, eventstore.EventData{ID: uuid.New(), Type: "$x"})
			return err
		}, 0, false},
		"Other": {func(t *testing.T, to *node.Node) error { fill(t, to, 3); return nil }, 0, true},
		"More": {func(t *testing.T, to *node.Node) error {
			_, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil })
			if err == nil {
				_, err = to.Append(t.Context(), "order-9", eventstore.NoStream, eventstore.EventData{ID: uuid.New(), Type: "T"})
			}
			return err
		}, 18, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := open(t)
			if err := c.prepare(t, to); err != nil {
				t.Fatal(err)
			}
			at, events, err := copylog.Common(t.Context(), from, to, func(copylog.Progress) {})
			var difference *copylog.DifferenceError
			if errors.As(err, &difference) != c.differs || !c.differs && err != nil || events != c.events || (at == nil) != (events == 0) {
				t.Errorf("%d events up to %v, %v; want %d", events, at, err, c.events)
			}
			if c.differs {
				return
			}
			copied, err := copylog.Copy(t.Context(), from, to, at, func(copylog.Progress) error { return nil })
			if err != nil || copied != 18-c.events {
				t.Errorf("the rest: %d events, %v; want %d", copied, err, 18-c.events)
			}
			if n, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {}); err != nil || n != 18 {
				t.Errorf("verified %d events: %v", n, err)
			}
		})
	}
}

// TestVerify_UpTo compares what was copied of a source that has grown, and Grown tells that it has.
func TestVerify_UpTo(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	fill(t, from, 2)
	var at eventstore.Position
	if _, err := copylog.Copy(t.Context(), from, to, nil, func(p copylog.Progress) error { at = p.Position; return nil }); err != nil {
		t.Fatal(err)
	}
	if grown, err := copylog.Grown(t.Context(), from, &at); err != nil || grown {
		t.Errorf("a source that has not grown: %t, %v", grown, err)
	}
	if _, err := from.Append(t.Context(), "order-9", eventstore.NoStream, eventstore.EventData{ID: uuid.New(), Type: "T"}); err != nil {
		t.Fatal(err)
	}
	if grown, err := copylog.Grown(t.Context(), from, &at); err != nil || !grown {
		t.Errorf("a source that has grown: %t, %v", grown, err)
	}
	if n, err := copylog.Verify(t.Context(), from, to, &at, func(copylog.Progress) {}); err != nil || n != 12 {
		t.Errorf("verified %d events: %v, want 12", n, err)
	}
	var difference *copylog.DifferenceError
	if _, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {}); !errors.As(err, &difference) {
		t.Errorf("verified to the end: %v, want a difference", err)
	}
}

// TestCopy_LeavesStreamsOfKeysOut: what is hidden of them, old sheets with keys that were destroyed, is not copied.
func TestCopy_LeavesStreamsOfKeysOut(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	fill(t, from, 3)
	keys := privacy.KeysIn(privacy.InStreams, t.TempDir(), from)
	master, err := privacy.NewLocalMaster(make([]byte, privacy.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	vault, err := privacy.OpenVault(keys, master)
	if err != nil {
		t.Fatal(err)
	}
	kept, keptErr := vault.Seal(t.Context(), "kept", []byte("text"))
	gone, goneErr := vault.Seal(t.Context(), "gone", []byte("text"))
	if err := errors.Join(keptErr, goneErr, vault.Destroy(t.Context(), "gone", gone)); err != nil {
		t.Fatal(err)
	}
	if copied, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil }); err != nil || copied != 18 {
		t.Fatalf("copied %d, %v", copied, err)
	}
	for range 2 { // again changes nothing
		if _, err := privacy.MergeStreams(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {}); err != nil || n != 18 {
		t.Errorf("verified %d, %v", n, err)
	}
	versions := 0
	for e, err := range to.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "KeySheetStored" {
			versions++
		}
	}
	if versions != 1 {
		t.Errorf("%d versions of the sheet in the copy", versions)
	}
	there, err := privacy.OpenVault(privacy.KeysIn(privacy.InStreams, t.TempDir(), to), master)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := there.Show(t.Context(), "kept", kept); err != nil || text != "text" {
		t.Errorf("shows %q, %v", text, err)
	}
	if text, err := there.Show(t.Context(), "gone", gone); err != nil || text != privacy.Erased {
		t.Errorf("shows %q, %v", text, err)
	}
}

// TestCopy_AfterAScavenge: of canaries, which say nothing, a scavenged EventStoreDB holds the newest only; the rest of its log
// can be copied.
func TestCopy_AfterAScavenge(t *testing.T) {
	t.Parallel()
	from, to := open(t), open(t)
	fill(t, from, 2)
	for range 3 {
		if _, err := from.Append(t.Context(), "canary-views", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "CanaryReleased", Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.SetStreamMetadata(t.Context(), "canary-views", eventstore.NoStream, []byte(`{"$maxCount":1}`)); err != nil {
		t.Fatal(err)
	}
	if report, err := from.Scavenge(t.Context(), ""); err != nil || report.Events != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if copied, err := copylog.Copy(t.Context(), from, to, nil, func(copylog.Progress) error { return nil }); err != nil || copied != 12 {
		t.Errorf("copied %d, %v", copied, err)
	}
	if n, err := copylog.Verify(t.Context(), from, to, nil, func(copylog.Progress) {}); err != nil || n != 12 {
		t.Errorf("verified %d, %v", n, err)
	}
}
