package feed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestCursorAfter goes on with the feed after any event that was read from the log: together they are the
// whole, without gap and overlap.
func TestCursorAfter(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 20)
	var read []string
	for e, err := range s.log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		cursor, ok := feed.CursorAfter(&e)
		if shown := len(want) > len(read) && fmt.Sprintf("%s@%d", e.Stream, e.Revision) == want[len(read)]; shown {
			read = append(read, want[len(read)])
		} else if ok != strings.HasPrefix(e.Stream, "ordertest-") {
			t.Errorf("%s: a cursor %t, want only after what the feed can show", e.Stream, ok)
		}
		if !ok {
			continue
		}
		if got := append(read[:len(read):len(read)], names(s.page(t, "/events?after="+cursor).Events)...); !cmp.Equal(want, got) {
			t.Errorf("after %s@%d: %s", e.Stream, e.Revision, cmp.Diff(want, got))
		}
	}
	if len(read) != len(want) {
		t.Errorf("the log has %d of %d", len(read), len(want))
	}
}
