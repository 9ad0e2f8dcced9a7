package schemas_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// compile reads all schemas with a validator that is not the generator's library.
func compile(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	all, err := schemas.All()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	out := map[string]*jsonschema.Schema{}
	for _, s := range all {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.Document))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(s.URN(), document); err != nil {
			t.Fatal(err)
		}
		if out[s.URN()], err = c.Compile(s.URN()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func valid(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// TestGoldenEvents_AreValid validates everything that any version ever wrote, and its envelope.
func TestGoldenEvents_AreValid(t *testing.T) {
	t.Parallel()
	known := compile(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "domain", "order", "testdata", "golden", "v*", "*.json"))
	if err != nil || len(files) < len(order.EventTypes()) {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		version, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "v"))
		if err != nil {
			t.Fatal(err)
		}
		eventType, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data, envelope, _ := bytes.Cut(golden, []byte("\n"))
		s := known[schemas.URN(eventType, version)]
		if s == nil {
			t.Errorf("%s: no schema", file)
			continue
		}
		if err := valid(t, s, data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := valid(t, known[schemas.URN(schemas.EnvelopeType, 1)], envelope); err != nil {
			t.Errorf("%s: envelope: %v", file, err)
		}
	}
}

// TestSchemas_RefuseWhatIsNoEvent shows that the schemas say something.
func TestSchemas_RefuseWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	known := compile(t)
	for name, c := range map[string]struct{ eventType, data string }{
		"member missing":     {"PaymentCaptured", `{"payment_id":"p"}`},
		"amount as number":   {"PaymentCaptured", `{"payment_id":"p","amount":{"amount":12.5,"currency":"EUR"}}`},
		"no currency":        {"PaymentCaptured", `{"payment_id":"p","amount":{"amount":"12.50"}}`},
		"time that is none":  {"OrderOverdue", `{"due_at":"tomorrow"}`},
		"text for a boolean": {"OrderRegistered", `{"order_id":"o","kind":"payment","source":"s","source_account":"a","is_test":"yes"}`},
		"array":              {"OrderIssued", `[]`},
	} {
		if err := valid(t, known[schemas.URN(c.eventType, 1)], []byte(c.data)); err == nil {
			t.Errorf("%s: %s is a valid %s", name, c.data, c.eventType)
		}
	}
	if err := valid(t, known[schemas.URN("OrderIssued", 1)], []byte(`{"added_later":true}`)); err != nil {
		t.Errorf("a member that was added later is refused: %v", err)
	}
}

func TestBreaking(t *testing.T) {
	t.Parallel()
	const published = `{"type":"object","required":["a"],"$defs":{"D":{"type":"object","properties":{"x":{"type":"string"}}}},"properties":{
		"a":{"type":"string"},"b":{"type":"integer"},"d":{"$ref":"#/$defs/D"},"l":{"type":"array","items":{"type":"string"}},"t":{"type":"string","format":"date-time"}}}`
	for name, c := range map[string]struct {
		from, to string
		breaking bool
	}{
		"nothing":            {`"a"`, `"a"`, false},
		"description":        {`"type":"object","required"`, `"description":"new words","type":"object","required"`, false},
		"new optional":       {`"a":{"type":"string"}`, `"a":{"type":"string"},"new":{"type":"string"}`, false},
		"removed":            {`"b":{"type":"integer"},`, ``, true},
		"renamed":            {`"b":`, `"c":`, true},
		"type":               {`"b":{"type":"integer"}`, `"b":{"type":"string"}`, true},
		"format":             {`"format":"date-time"`, `"format":"date"`, true},
		"enum":               {`"a":{"type":"string"}`, `"a":{"type":"string","enum":["x"]}`, true},
		"pattern":            {`"a":{"type":"string"}`, `"a":{"type":"string","pattern":"^x"}`, true},
		"new required":       {`"required":["a"]`, `"required":["a","b"]`, true},
		"required no more":   {`"required":["a"]`, `"required":[]`, true},
		"items":              {`"items":{"type":"string"}`, `"items":{"type":"integer"}`, true},
		"inside definition":  {`"properties":{"x":{"type":"string"}}`, `"properties":{}`, true},
		"definition renamed": {`D`, `E`, false},
	} {
		now := strings.ReplaceAll(published, c.from, c.to)
		got, err := schemas.Breaking([]byte(published), []byte(now))
		if err != nil {
			t.Fatal(err)
		}
		if (len(got) > 0) != c.breaking {
			t.Errorf("%s: %q, want breaking: %t", name, got, c.breaking)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	h, err := schemas.NewHandler(func(w http.ResponseWriter, _ *http.Request, status int, code, _ string) { http.Error(w, code, status) })
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	var index struct{ Schemas []struct{ ID, Path string } }
	if err := json.Unmarshal(get("/schemas/").Body.Bytes(), &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Schemas) < len(order.EventTypes()) {
		t.Errorf("%d schemas are listed, and there are %d types", len(index.Schemas), len(order.EventTypes()))
	}
	for _, s := range index.Schemas {
		var got struct {
			ID string `json:"$id"`
		}
		if err := json.Unmarshal(get(s.Path).Body.Bytes(), &got); err != nil || got.ID != s.ID {
			t.Errorf("%s: $id %q, want %q (%v)", s.Path, got.ID, s.ID, err)
		}
	}
	if newest, second := get("/schemas/RefundObserved"), get("/schemas/RefundObserved/2"); newest.Body.String() != second.Body.String() {
		t.Error("a type without a version is not its newest")
	}
	tag := get("/schemas/OrderIssued/1").Header().Get("ETag")
	if again := get("/schemas/OrderIssued/1", "If-None-Match", tag); again.Code != http.StatusNotModified {
		t.Errorf("unchanged: %d", again.Code)
	}
	for _, path := range []string{"/schemas/Nothing", "/schemas/OrderIssued/2", "/schemas/../generate/main.go"} {
		if got := get(path); got.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	events, err := schemas.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	want := append(order.EventTypes(), // and those that are about no order, but about the ledger itself
		accounting.PeriodClosedType, accounting.PeriodReopenedType, accounting.EntityDefinedType,
		settlement.LinesRecordedType, settlement.StatementImportedType, settlement.StatementMatchedType,
		settlement.LineBookedType, settlement.LineReleasedType,
		"ExportProduced",
		push.SubscriberAdded, push.SubscriberReset, push.SubscriberRemoved, push.SubscriberDisabled, push.SubscriberEnabled,
		push.DeliverySucceeded, push.DeliveryFailed, push.DeliveryGivenUp, push.DeliveryRetried, push.DeliveryDiscarded)
	var got []string
	for _, e := range events {
		got = append(got, e.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, e := range events {
		if e.Meaning == "" || e.MoneyEffect == "" || !json.Valid(e.Example) || e.Versions[len(e.Versions)-1] != order.CurrentVersion(e.Name) {
			t.Errorf("the entry is not complete: %+v", e)
		}
	}
	var out bytes.Buffer
	if err := schemas.WriteHTML(&out, events); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h2 id=\"PaymentCaptured\">", "amount.currency", "adjustments[].balance", "Versions: 1, 2", "<h3>Version 1</h3>", "<code>amount_unknown</code>", "<code>extent</code>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}
