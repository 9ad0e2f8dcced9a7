package wire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
)

func TestAllowList_Redact(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, paths, body, want string }{
		{"scalars in the body's order", "b a c d", `{"a":1.50,"x":2,"b":"t","c":true,"d":null}`, `{"a":1.50,"b":"t","c":true,"d":null}`},
		{"nested", "a.b", `{"a":{"b":1,"c":2},"b":3}`, `{"a":{"b":1}}`},
		{"every element", "s.#.n", `{"s":[{"n":"x","who":"Ada"},{"n":"y"}]}`, `{"s":[{"n":"x"},{"n":"y"}]}`},
		{"elements keep their positions", "s.#.n", `{"s":[{"who":"Ada"},{"n":"y"},5]}`, `{"s":[null,{"n":"y"},null]}`},
		{"array of scalars", "s.#", `{"s":["x",{"n":"y"},2]}`, `{"s":["x",null,2]}`},
		{"object where a scalar is allowed", "a b", `{"a":{"mail":"x"},"b":["mail"]}`, `{}`},
		{"scalar where an object is allowed", "a.b s.#.n", `{"a":"mail","s":"mail"}`, `{}`},
		{"both forms", "a a.b", `{"a":{"b":1,"c":2}}`, `{"a":{"b":1}}`},
		{"what keeps nothing is dropped", "a.b s.#.n z", `{"a":{"c":1},"s":[{"c":1}],"z":0}`, `{"z":0}`},
		{"nothing", "a", `{"b":1}`, `{}`},
		{"no object", "a", `"text"`, `{}`},
		{"array at the top", "#.id", `[{"id":1},{"id":2}]`, `[{"id":1},{"id":2}]`},
		{"escaped name", "id", `{"\u0069d":7}`, `{"id":7}`},
		{"name that needs escapes", `q"q`, `{"q\"q":7}`, `{"q\"q":7}`},
		{"name of another case", "id", `{"ID":7}`, `{}`},
		{"text that jsonb refuses", "a b c", `{"a":"x\u0000y","b":"\ud800","c":"` + "\xff" + `"}`, "{\"a\":\"x\uFFFDy\",\"b\":\"\uFFFD\",\"c\":\"\uFFFD\"}"},
		{"number that jsonb refuses", "a b c", `{"a":1e999999,"b":-0.50,"c":` + strings.Repeat("9", 41) + `}`,
			`{"a":"1e999999","b":-0.50,"c":"` + strings.Repeat("9", 41) + `"}`},
	}
	for _, tc := range cases {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			list, err := wire.NewAllowList(strings.Fields(tc.paths)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(list.Redact(mustParse(t, tc.body))); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
	if got := string(wire.MustAllowList("a").Redact(wire.Value{})); got != "{}" {
		t.Errorf("a missing value gives %s", got)
	}
}

func TestNewAllowList_RefusesEmptySteps(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", ".a", "a.", "a..b"} {
		if _, err := wire.NewAllowList("ok", path); err == nil {
			t.Errorf("path %q was accepted", path)
		}
	}
}

// The sample is an order object with everything personal that the gateway may send.
func TestAllowList_KeepsNothingPersonal(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join("testdata", "decta_chargeback.json"))
	if err != nil {
		t.Fatal(err)
	}
	evidence := string(dectaList().Redact(mustParse(t, string(body))))
	for _, personal := range []string{"buyer@example.com", "Byron", "203.0.113.9", "1815-12-10", "+371"} {
		if !strings.Contains(string(body), personal) {
			t.Errorf("the sample lost %q", personal)
		}
		if strings.Contains(evidence, personal) {
			t.Errorf("%q was kept", personal)
		}
	}
	if !strings.Contains(evidence, `"chargebacks":86.56`) {
		t.Errorf("money is missing: %s", evidence)
	}
}

func dectaList() *wire.AllowList {
	return wire.MustAllowList("id", "number", "status", "currency", "total", "is_test", "issued", "paid", "modified",
		"amount_refunded", "status_changes.#.new_status", "status_changes.#.on", "transaction_details.arn",
		"transaction_details.amount_refunded", "transaction_details.chargebacks")
}

func BenchmarkParse(b *testing.B) {
	body, err := os.ReadFile(filepath.Join("testdata", "decta_chargeback.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllowList_Redact(b *testing.B) {
	body, err := os.ReadFile(filepath.Join("testdata", "decta_chargeback.json"))
	if err != nil {
		b.Fatal(err)
	}
	v, err := wire.Parse(body)
	if err != nil {
		b.Fatal(err)
	}
	list := dectaList()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_ = list.Redact(v)
	}
}
