// Package simulate invents the traffic of three payment gateways, and knows
// what it ends in.
//
// It plays orders from their issue to their end as scripts of what truly
// happened: a card was held, 50.00 of the 96.56 were captured, 10.00 went back,
// the cardholder's bank took the rest. Each step changes the gateway's own
// object and, beside it, the order's figures. The gateway then reports its
// object in its real wire format, and the reports arrive as reports do: some
// twice, some out of sequence, some much later, those of about two thousand
// orders mixed.
//
// The figures are integers in minor units that the scripts move directly. The
// package imports nothing of the ledger, so that the two can be compared: what
// the ledger makes of the notifications has to equal what the scripts say.
//
// A run is a function of its options: the same seed makes the same bytes.
package simulate

// Options say how much to invent.
type Options struct {
	// Orders is the number of orders, payouts and test orders included.
	Orders int
	// Seed chooses the run; an order's content depends on it and on the
	// order's number only.
	Seed uint64
}

// Notification is one body as a gateway sends it, or answers it to a GET. The
// merchant account is always "default".
type Notification struct {
	Gateway string
	Body    []byte
}

// Gateways that are simulated.
const (
	Decta      = "decta"
	Everifin   = "everifin"
	ConnectPay = "connectpay"
)

// Views other than ledger.orders in which an Expected row may have its place.
const (
	ViewTestOrders = "test_orders"
	ViewPayouts    = "payouts"
)

// Expected is what the ledger has to show for an order once all of its
// notifications arrived. Amounts are decimal strings in the currency's minor
// units ("96.56" EUR, "1250" JPY, "1.234" BHD), "0" while no currency is known.
type Expected struct {
	// View is where the row appears; empty for ledger.orders.
	View    string `json:"view,omitempty"`
	Gateway string `json:"gateway"`
	// SourceOrderID is the gateway's id of the order: of several DECTA
	// attempts the one issued last, for ConnectPay merchant.generic1.
	SourceOrderID     string  `json:"source_order_id"`
	MerchantReference string  `json:"merchant_reference"`
	Currency          *string `json:"currency"`
	// Figures is set for orders and test orders.
	*Figures
	// Payout is set for payouts.
	*Payout
	// Scenario names the script.
	Scenario string `json:"scenario"`
}

// Figures are the money columns and states of an order.
type Figures struct {
	AmountDue          *string `json:"amount_due"`
	Authorised         string  `json:"authorised"`
	Expected           string  `json:"expected"`
	Captured           string  `json:"captured"`
	Settled            string  `json:"settled"`
	ReceivedExternally string  `json:"received_externally"`
	Reversed           string  `json:"reversed"`
	RefundPending      string  `json:"refund_pending"`
	Refunded           string  `json:"refunded"`
	DisputeHeld        string  `json:"dispute_held"`
	DisputeLost        string  `json:"dispute_lost"`
	GrossPaid          string  `json:"gross_paid"`
	Net                string  `json:"net"`
	Overpaid           string  `json:"overpaid"`
	PaymentState       string  `json:"payment_state"`
	RefundState        string  `json:"refund_state"`
	DisputeState       string  `json:"dispute_state"`
	Lifecycle          string  `json:"lifecycle"`
}

// Payout are the columns of money that goes out.
type Payout struct {
	Amount      string `json:"amount"`
	PaidOut     string `json:"paid_out"`
	PayoutState string `json:"payout_state"`
}
