package fakegateway_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/money"
)

// TestCreate_TellsWhatEachGatewayTakes: every line, where the customer goes, who they are, and the limit of
// refunds, which an update repeats.
func TestCreate_TellsWhatEachGatewayTakes(t *testing.T) {
	t.Parallel()
	fake := fakegateway.New(fakegateway.Options{})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	eur := func(text string) money.Money { return money.MustParse(text, "EUR") }
	o := commands.GatewayOrder{
		InstructionID: "i-1", Reference: "SO-1", Amount: eur("101.56"), Description: "Kettle, Cup", RefundLimitPercent: "0050.50",
		Products: []commands.GatewayProduct{
			{Title: "Kettle", Price: eur("39.90"), Quantity: 2, Discount: eur("0.00"), TaxPercent: "21.0"},
			{Title: "Cup", Price: eur("6.00"), Quantity: 1, Discount: eur("1.00")},
		},
		Client: commands.GatewayClient{
			Email: "ada@shop.example", Phone: "371-20000000", FirstName: "Ada", LastName: "Byron", Address: "Brivibas 1", City: "Riga",
			PostalCode: "LV-1010", Country: "LV", BirthDate: "1990-01-31", PersonalCode: "310190-12345",
		},
		Redirect: "https://shop.example/ok", FailureRedirect: "https://shop.example/fail",
		InProgressRedirect: "https://shop.example/wait", CancelRedirect: "https://shop.example/no",
	}
	d, err := decta.NewClient(decta.ClientConfig{Account: "default", BaseURL: server.URL + "/decta/api/v0.6", Key: fakegateway.DectaKey})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := d.Create(t.Context(), o)
	if err != nil || !strings.Contains(string(answer.Body), `"total":101.56`) {
		t.Fatalf("%s, %v", answer.Body, err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(fake.Sent(fakegateway.Decta, "POST order")), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"number":"SO-1","currency":"EUR","deny_overdue_payment":false,"skip_capture":false,"is_test":false,
		"products":[{"title":"Kettle","price":39.90,"quantity":2,"tax_percent":21},{"title":"Cup","price":6.00,"quantity":1,"discount_amount":1.00}],
		"client":{"email":"ada@shop.example","phone":"371-20000000","first_name":"Ada","last_name":"Byron","address":"Brivibas 1","city":"Riga",
			"zip_code":"LV-1010","country":"LV","birth_date":"1990-01-31","personal_code":"310190-12345"},
		"success_redirect":"https://shop.example/ok","in_progress_redirect":"https://shop.example/wait",
		"failure_redirect":"https://shop.example/fail","cancel_redirect":"https://shop.example/no"}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decta was told (-want +got):\n%s", diff)
	}

	e, err := everifin.NewClient(everifin.ClientConfig{
		Account: "default", BaseURL: server.URL + "/everifin/api/v2", TokenURL: server.URL + "/everifin/token",
		ClientID: fakegateway.ClientID, ClientSecret: fakegateway.ClientSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err = e.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	refs := commands.GatewayRefs{OrderID: answer.OrderID}
	bodies, err := e.Fetch(t.Context(), refs)
	if err != nil || !strings.Contains(string(bodies[0]), `"refundLimitPercentage":50.5`) || !strings.Contains(fake.Sent(fakegateway.Everifin, "POST order"), "ada@shop.example") {
		t.Errorf("everifin has %s, %v", bodies, err)
	}
	if _, err := e.ChangeAmount(t.Context(), refs, commands.GatewayChange{Amount: eur("120.00"), RefundLimitPercent: "20"}); err != nil {
		t.Fatal(err)
	}
	if bodies, err = e.Fetch(t.Context(), refs); err != nil || !strings.Contains(string(bodies[0]), `"refundLimitPercentage":20`) {
		t.Errorf("everifin has after the update %s, %v", bodies, err)
	}
}
