package wire_test

import (
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
)

func TestValue_At(t *testing.T) {
	t.Parallel()
	const body = ` {"a": {"bc": [1, "x-y", {"d": true}], "e": null}, "f": "g"} `
	root, err := wire.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{
		`{"a"`: "", `"a"`: "", `{"bc"`: "a", `"bc"`: "a", `1,`: "a.bc[0]", `, "x`: "a.bc", `x-y`: "a.bc[1]",
		`true`: "a.bc[2].d", `}], `: "a.bc[2]", `null`: "a.e", `g"`: "f",
	} {
		got := root.At(strings.Index(body, part))
		if got.Kind() == wire.Missing || got.Path() != want {
			t.Errorf("at %q: %s %q, want %q", part, got.Kind(), got.Path(), want)
		}
	}
	for _, offset := range []int{-1, 0, len(body) - 1, len(body), 1000} {
		if got := root.At(offset); got.Kind() != wire.Missing {
			t.Errorf("At(%d) = %s, want nothing", offset, got.Raw())
		}
	}
	if got := (wire.Value{}).At(0); got.Kind() != wire.Missing {
		t.Errorf("At of nothing is %s", got.Raw())
	}
}
