package detail

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is a field that differs between two orders.
type Change struct {
	// Field names it: order.captured, payments[01J…].status.
	Field string `json:"field"`
	// Before and After are its values as text; empty when there is none. Amounts carry their currency.
	Before string `json:"before"`
	After  string `json:"after"`
}

// Diff returns the fields in which two orders differ, by name; either may be nil. Parts are told
// apart by their ids, not by their place in a list.
func Diff(before, after *Order) ([]Change, error) {
	from, err := fields(before)
	if err != nil {
		return nil, err
	}
	to, err := fields(after)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(from)
	maps.Copy(all, to)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if from[name] != to[name] {
			changes = append(changes, Change{Field: name, Before: from[name], After: to[name]})
		}
	}
	return changes, nil
}

// fields renders an order as one text per field, by way of its JSON, which has all that people see.
func fields(o *Order) (map[string]string, error) {
	all := make(map[string]string)
	if o == nil {
		return all, nil
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("render order %s: %w", o.ID(), err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("render order %s: %w", o.ID(), err)
	}
	flatten(all, "", tree)
	return all, nil
}

func flatten(into map[string]string, path string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		amount, hasAmount := v["amount"].(string)
		currency, hasCurrency := v["currency"].(string)
		if hasAmount && hasCurrency && len(v) == 2 {
			into[path] = strings.TrimSpace(amount + " " + currency)
			return
		}
		for name, inner := range v {
			flatten(into, strings.TrimPrefix(path+"."+name, "."), inner)
		}
	case []any:
		if path == "order.flags" || path == "payout.flags" {
			into[path] = strings.Trim(fmt.Sprint(v), "[]")
			return
		}
		for i, inner := range v {
			flatten(into, fmt.Sprintf("%s[%s]", path, keyOf(inner, i)), inner)
		}
	case float64: // revisions, positions and steps: whole numbers far below 2^53
		into[path] = fmt.Sprintf("%.0f", v)
	default:
		into[path] = fmt.Sprint(v)
	}
}

// keyOf is what tells the elements of a list apart.
func keyOf(element any, i int) string {
	object, ok := element.(map[string]any)
	if !ok {
		return fmt.Sprint(i)
	}
	for _, name := range []string{"payment_id", "refund_id", "dispute_id", "seq"} {
		// A refund names its payment too: the key of a list is the id that all its elements have.
		if name == "payment_id" && (object["refund_id"] != nil || object["dispute_id"] != nil) {
			continue
		}
		if id, ok := object[name]; ok {
			return fmt.Sprint(id)
		}
	}
	return fmt.Sprint(i)
}
