package gatewaytest

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/commands"
)

// mark stands in every text of a body that must not be kept.
const mark = "MARK"

// KeepsNothingElse: of drawn bodies nothing is kept but the members of which the content may be. A path
// has the names of the members from the outermost, "payments.#.id" in arrays. The names are those that
// the gateway's members have, at any level. Half of the bodies have a member at the path identity, by
// which they belong to an order.
func KeepsNothingElse(t *testing.T, translator commands.Translator, names []string, identity string, mayKeep func(path string) bool) {
	t.Helper()
	text := func(path string) string {
		if mayKeep(path) {
			return "fine"
		}
		return mark + " " + path
	}
	var object func(rt *rapid.T, at string, depth int) map[string]any
	object = func(rt *rapid.T, at string, depth int) map[string]any {
		members := map[string]any{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 10, rapid.ID[string]).Draw(rt, "names of "+at) {
			path := strings.TrimPrefix(at+"."+name, ".")
			switch kind := rapid.IntRange(0, 3).Draw(rt, path); {
			case kind == 0 && depth > 0:
				members[name] = object(rt, path, depth-1)
			case kind == 1 && depth > 0:
				members[name] = []any{object(rt, path+".#", depth-1), text(path + ".#")}
			default:
				members[name] = text(path)
			}
		}
		return members
	}
	rapid.Check(t, func(rt *rapid.T) {
		members := object(rt, "", 3)
		if rapid.Bool().Draw(rt, "has "+identity) {
			set(members, strings.Split(identity, "."))
		}
		body, err := json.Marshal(members)
		if err != nil {
			rt.Fatal(err)
		}
		if all := Dump(t, Translate(translator, string(body))); strings.Contains(all, mark) {
			rt.Fatalf("%s keeps %s", body, all)
		}
	})
}

// set gives an object a member at a path.
func set(members map[string]any, path []string) {
	if len(path) == 1 {
		members[path[0]] = "o"
		return
	}
	inner, ok := members[path[0]].(map[string]any)
	if !ok {
		inner = map[string]any{}
		members[path[0]] = inner
	}
	set(inner, path[1:])
}

// KeepsNoMark translates a body that belongs to an order, and keeps none of the texts MARK in it.
func KeepsNoMark(t *testing.T, translator commands.Translator, body string) {
	t.Helper()
	got := Translate(translator, body)
	if all := Dump(t, got); got.Rejection != nil || strings.Contains(all, mark) {
		t.Errorf("%s: kept %s", body, all)
	}
}
