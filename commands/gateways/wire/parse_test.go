package wire_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
)

func mustParse(t *testing.T, body string) wire.Value {
	t.Helper()
	v, err := wire.Parse([]byte(body))
	if err != nil {
		t.Fatalf("Parse(%s): %v", body, err)
	}
	return v
}

// tree turns a Value into what encoding/json makes of the same document with UseNumber.
func tree(v wire.Value) any {
	switch v.Kind() {
	case wire.Object:
		object := map[string]any{}
		for name, member := range v.Members() {
			object[name] = tree(member)
		}
		return object
	case wire.Array:
		array := []any{}
		for element := range v.Elements() {
			array = append(array, tree(element))
		}
		return array
	case wire.String:
		text, _ := v.Text()
		return text
	case wire.Number:
		return json.Number(v.Raw())
	case wire.Bool:
		is, _ := v.Bool()
		return is
	case wire.Null, wire.Missing:
	}
	return nil
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"empty":              ``,
		"blank":              " \n",
		"two documents":      `{} {}`,
		"unclosed object":    `{"a":1`,
		"unclosed array":     `[1,`,
		"unclosed string":    `"a`,
		"trailing comma":     `[1,]`,
		"member comma":       `{"a":1,}`,
		"no colon":           `{"a" 1}`,
		"bare name":          `{a:1}`,
		"single quotes":      `{'a':1}`,
		"leading zero":       `007`,
		"plus sign":          `+1`,
		"no integer digit":   `.5`,
		"no fraction digit":  `5.`,
		"no exponent digit":  `1e`,
		"hexadecimal":        `0x10`,
		"not a number":       `NaN`,
		"infinity":           `-Infinity`,
		"word":               `truth`,
		"short escape":       `"\u00"`,
		"short escape end":   `"\u004`,
		"unknown escape":     `"\x41"`,
		"escape at end":      `"\`,
		"line end in string": "\"a\nb\"",
		"NUL in string":      "\"a\x00b\"",
		"NUL after document": "{}\x00",
		"form":               `id=1&status=paid`,
		"markup":             `<html>`,
		"too deep":           strings.Repeat("[", 65) + strings.Repeat("]", 65),
		"far too deep":       strings.Repeat("[", 1<<19),
		"too many values":    "[" + strings.Repeat("0,", 1<<16) + "0]",
		"too large":          `"` + strings.Repeat("a", 1<<20) + `"`,

		"member twice":               `{"id":1,"id":1}`,
		"member twice within":        `{"a":[{"total":1,"x":0,"total":2}]}`,
		"member twice under escapes": `{"id":1,"\u0069d":2}`,
		"member twice among many":    `{` + manyMembers(40) + `,"m7":0}`,
	}
	for name, body := range cases {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			v, err := wire.Parse([]byte(body))
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) || money.Code(err) != "malformed_body" || v.Kind() != wire.Missing {
				t.Fatalf("got %v, %v", v.Kind(), err)
			}
			if syntax.Offset < 0 || syntax.Offset > len(body) {
				t.Errorf("offset %d of %d bytes", syntax.Offset, len(body))
			}
		})
	}
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = `"m` + string(json.Number(strings.Repeat("1", i))) + `":0`
	}
	members[n-1] = `"m7":0`
	return strings.Join(members, ",")
}

func TestParse_Accepts(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `0`, `-0.0`, `1.5E-30`, `"\ud83d\ude00\u00e9\n\/"`, ` [ 1 , {"a" : [ ] , "b" : null } , true , false ] `,
		`{"a":{"a":{"a":1}},"b":{"a":1}}`, `{"":1," ":2}`, `{` + manyMembers(40) + `}`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64), "\"\xff\xfe\"", `"\ud800"`,
	} {
		var want any
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := tree(mustParse(t, body)); !reflect.DeepEqual(want, got) {
			t.Errorf("%s: got %v, encoding/json says %v", body, got, want)
		}
	}
	if v := mustParse(t, "\xef\xbb\xbf{\"a\":1}"); v.Get("a").Kind() != wire.Number {
		t.Error("a byte order mark hides the document")
	}
}

// What Parse accepts, encoding/json accepts, and both see the same values. What encoding/json
// accepts, Parse accepts, unless a member is there twice or a limit is exceeded. Redacting never
// makes anything but valid JSON, and nothing of what is not on the list.
func FuzzParse(f *testing.F) {
	bodies, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(bodies) == 0 {
		f.Fatal("no sample bodies", err)
	}
	for _, name := range bodies {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, body := range []string{
		`{"a":1,"\u0061":2}`, `["\ud800\u0000"]`, "{\"id\":\"\xff\"}", `{"id":1e999999}`, `[[[[]]]]`, `"\u00`, `-`, `{"id":[{"id":[1]}]}`,
	} {
		f.Add([]byte(body))
	}
	list := wire.MustAllowList("id", "#.id", "id.#", "status_changes.#.new_status", "data.status", "payment.instructedAmount.amount")
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := wire.Parse(body)
		if err != nil {
			reason := new(wire.SyntaxError)
			if !errors.As(err, &reason) {
				t.Fatalf("untyped error %v", err)
			}
			excused := strings.Contains(reason.Reason, "twice") || strings.HasPrefix(reason.Reason, "too many") ||
				strings.Contains(reason.Reason, "deep") || strings.Contains(reason.Reason, "large")
			if json.Valid(body) && !excused {
				t.Fatalf("refuses valid JSON: %v", err)
			}
			return
		}
		document := strings.TrimPrefix(string(body), "\xef\xbb\xbf")
		if !json.Valid([]byte(document)) {
			t.Fatalf("accepts invalid JSON %q", body)
		}
		var want any
		decoder := json.NewDecoder(strings.NewReader(document))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		// Names and texts with NUL or broken UTF-8 are read differently on purpose.
		if !strings.Contains(document, `\u0000`) && strings.ToValidUTF8(document, "") == document {
			if got := tree(v); !reflect.DeepEqual(want, got) {
				t.Fatalf("got %v, encoding/json says %v", got, want)
			}
		}
		evidence := list.Redact(v)
		again, err := wire.Parse(evidence)
		if err != nil {
			t.Fatalf("evidence %s: %v", evidence, err)
		}
		if twice := list.Redact(again); string(twice) != string(evidence) {
			t.Fatalf("redacting %s again gives %s", evidence, twice)
		}
		readEverything(v)
	})
}

// readEverything calls every reader on every value, for panics.
func readEverything(v wire.Value) {
	_, _ = v.ID()
	_, _ = v.Text()
	_, _ = v.Label()
	_, _ = v.Int()
	_, _ = v.Time()
	_, _ = v.UnixTime()
	_, _ = v.Currency()
	_, _ = v.Money(money.MustCurrency("EUR"))
	_ = v.Path()
	_, _ = v.Get("id", "status").Text()
	for _, member := range v.Members() {
		readEverything(member)
	}
	for element := range v.Elements() {
		readEverything(element)
	}
}
