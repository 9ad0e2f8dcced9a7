package api

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const dectaGateway = "decta"

// What an order request means when it does not say.
const (
	defaultGateway  = dectaGateway
	defaultAccount  = "default"
	defaultCurrency = "EUR"
)

// NewOrder is the body of POST /orders/ (General Payment Flow, step 1).
type NewOrder struct {
	Gateway  string `json:"gateway,omitempty" enum:"decta,everifin,connectpay" doc:"Gateway that the order is paid through; decta when left out."`
	Account  string `json:"account,omitempty" maxLength:"64" doc:"Account at the gateway; default when left out."`
	Number   string `json:"number,omitempty" pattern:"^[ -~]{1,255}$" doc:"The merchant's name for the order, unique in the account. Gateways send it back."`
	Currency string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217; EUR when left out."`
	// Client is personal data: it is sealed under the order's own key. The answer has it for who sent it.
	Client             *Client   `json:"client,omitempty"`
	Products           []Product `json:"products" minItems:"1" maxItems:"200"`
	Due                int64     `json:"due,omitempty" minimum:"1" maximum:"253402300799" doc:"When payment is due, Unix seconds."`
	DenyOverduePayment bool      `json:"deny_overdue_payment,omitempty"`
	SkipCapture        bool      `json:"skip_capture,omitempty" doc:"Hold the money first, capture it later."`
	MaxPaymentAttempts int       `json:"max_payment_attempts,omitempty" minimum:"1" maximum:"100"`
	RefundLimitPercent string    `json:"refund_limit_percentage,omitempty" pattern:"^[0-9]{1,4}(\\.[0-9]{1,2})?$" doc:"How much of the amount due may be refunded; 0 and left out are no limit besides what was captured."`
	IsTest             bool      `json:"is_test,omitempty"`
	RegisterOnly       bool      `json:"register_only,omitempty" doc:"The merchant creates the order at the gateway itself, with number as its reference."`
	SuccessRedirect    string    `json:"success_redirect,omitempty" format:"uri" pattern:"^https?://[^/?#]" patternDescription:"an absolute http or https URL" maxLength:"2000"`
	InProgressRedirect string    `json:"in_progress_redirect,omitempty" format:"uri" pattern:"^https?://[^/?#]" patternDescription:"an absolute http or https URL" maxLength:"2000"`
	FailureRedirect    string    `json:"failure_redirect,omitempty" format:"uri" pattern:"^https?://[^/?#]" patternDescription:"an absolute http or https URL" maxLength:"2000"`
	CancelRedirect     string    `json:"cancel_redirect,omitempty" format:"uri" pattern:"^https?://[^/?#]" patternDescription:"an absolute http or https URL" maxLength:"2000"`
}

// Client is who pays.
type Client struct {
	Email     string `json:"email,omitempty" maxLength:"254"`
	Phone     string `json:"phone,omitempty" maxLength:"32"`
	FirstName string `json:"first_name,omitempty" maxLength:"200"`
	LastName  string `json:"last_name,omitempty" maxLength:"200"`
	Address   string `json:"address,omitempty" maxLength:"300" doc:"Street and number."`
	City      string `json:"city,omitempty" maxLength:"100"`
	ZipCode   string `json:"zip_code,omitempty" maxLength:"20"`
	Country   string `json:"country,omitempty" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1."`
	BirthDate string `json:"birth_date,omitempty" format:"date"`
	Code      string `json:"personal_code,omitempty" maxLength:"32"`
}

// Product is one line of an order: price x quantity - discount + tax on that.
type Product struct {
	Title      string `json:"title" minLength:"1" maxLength:"300"`
	Price      Amount `json:"price"`
	Quantity   int64  `json:"quantity,omitempty" minimum:"1" maximum:"1000000" doc:"1 when left out."`
	Discount   Amount `json:"discount_amount,omitempty" doc:"Off the whole line."`
	TaxPercent string `json:"tax_percent,omitempty" pattern:"^[0-9]{1,3}(\\.[0-9]{1,4})?$" doc:"On top of the price; the tax of a line is rounded half up to the currency's decimals."`
}

// IssuedOrder is the answer. What response_type=standard and full add is left out of the smaller ones.
type IssuedOrder struct {
	Type          string      `json:"type"`
	ID            string      `json:"id"`
	Number        string      `json:"number,omitempty"`
	Status        string      `json:"status" enum:"issued,draft" doc:"draft: the order is to be created at the gateway, and what the gateway answered is not known."`
	Currency      string      `json:"currency"`
	Subtotal      money.Money `json:"subtotal"`
	TotalDiscount money.Money `json:"total_discount"`
	TotalTax      money.Money `json:"total_tax"`
	Total         money.Money `json:"total"`
	IsTest        bool        `json:"is_test"`
	Issued        int64       `json:"issued" doc:"Unix seconds"`
	Revision      uint64      `json:"revision"`

	TransactionDetails TransactionDetails `json:"transaction_details"`
	Checkout           string             `json:"full_page_checkout,omitempty" doc:"Where the customer pays; left out when the order was not created at the gateway."`
	IframeCheckout     string             `json:"iframe_checkout,omitempty" doc:"The same in a frame; left out when the gateway has none."`
	DirectPost         string             `json:"direct_post,omitempty" doc:"Takes a form of the customer's browser, at the gateway; left out when it has none."`
	APIDo              string             `json:"api_do_url,omitempty" doc:"Takes card data of the merchant's server, at the gateway; left out when it has none."`

	*StandardGroup
	*FullGroup
}

// TransactionDetails are those of an order that was just issued: nothing has happened. GET /orders/{id} has what did.
type TransactionDetails struct {
	Errors              []string `json:"errors"`
	Method              string   `json:"method"`
	PaymentSystem       string   `json:"payment_system"`
	ProcessingPaymentID string   `json:"processing_payment_id"`
	ARN                 string   `json:"arn"`
}

// Nothing is a member that is always null: the ledger does not know such things.
type Nothing struct{}

// MarshalJSON implements json.Marshaler.
func (Nothing) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Schema implements huma.SchemaProvider.
func (Nothing) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: "null"} }

// StandardGroup is what response_type=standard and full add.
type StandardGroup struct {
	Products           []IssuedProduct `json:"products,omitempty"`
	SuccessRedirect    string          `json:"success_redirect,omitempty"`
	InProgressRedirect string          `json:"in_progress_redirect,omitempty"`
	FailureRedirect    string          `json:"failure_redirect,omitempty"`
	CancelRedirect     string          `json:"cancel_redirect,omitempty"`
	Client             ClientShown     `json:"client" required:"false"`
	SavedCardData      Nothing         `json:"saved_card_data" required:"false" doc:"The ledger keeps no card."`
	Brand              Nothing         `json:"brand" required:"false" doc:"The gateway's account has one."`
	Website            Nothing         `json:"website" required:"false" doc:"The gateway's account has one."`
	EnableAVS          bool            `json:"enable_avs" required:"false" doc:"No address is verified."`
	RefundAmount       *money.Money    `json:"refund_amount,omitempty"`
}

// FullGroup is what response_type=full adds.
type FullGroup struct {
	Gateway            string `json:"gateway,omitempty"`
	Account            string `json:"account,omitempty"`
	Due                int64  `json:"due,omitempty"`
	DenyOverduePayment bool   `json:"deny_overdue_payment,omitempty"`
	SkipCapture        bool   `json:"skip_capture,omitempty"`
	MaxPaymentAttempts int    `json:"max_payment_attempts,omitempty"`
	RefundLimitPercent string `json:"refund_limit_percentage,omitempty"`
}

// IssuedProduct is a line with what it comes to.
type IssuedProduct struct {
	Title    string      `json:"title"`
	Price    money.Money `json:"price"`
	Quantity int64       `json:"quantity"`
	Discount money.Money `json:"discount_amount"`
	Tax      money.Money `json:"tax_amount"`
	Total    money.Money `json:"total"`
}

// totals are what the lines of an order come to.
type totals struct {
	lines                        []IssuedProduct
	subtotal, discount, tax, sum money.Money
}

// count adds the lines up, exactly but for the tax of each line, and tells all that is wrong with them.
func (n *NewOrder) count() (t totals, wrong []FieldError) {
	c, err := money.ParseCurrency(n.Currency)
	if err != nil { // nobody knows how many decimals amounts have
		return t, []FieldError{{Field: "currency", Message: "is no ISO 4217 currency of payments"}}
	}
	zero := money.Zero(c)
	t = totals{subtotal: zero, discount: zero, tax: zero, sum: zero}
	for i := range n.Products {
		field := "products[" + strconv.Itoa(i) + "]"
		line, gross, bad := n.Products[i].count(c, field)
		if len(bad) > 0 {
			wrong = append(wrong, bad...)
			continue
		}
		t.lines = append(t.lines, line)
		for sum, m := range map[*money.Money]money.Money{&t.subtotal: gross, &t.discount: line.Discount, &t.tax: line.Tax, &t.sum: line.Total} {
			if *sum, err = sum.Add(m); err != nil {
				return t, append(wrong, FieldError{Field: field, Message: err.Error()})
			}
		}
	}
	if len(wrong) == 0 && !t.sum.IsPositive() {
		wrong = append(wrong, FieldError{Field: "products", Message: "come to nothing"})
	}
	return t, wrong
}

func (p *Product) count(c money.Currency, field string) (line IssuedProduct, gross money.Money, wrong []FieldError) {
	bad := func(member, message string) {
		wrong = append(wrong, FieldError{Field: field + member, Message: message})
	}
	line = IssuedProduct{Title: p.Title, Quantity: max(p.Quantity, 1), Discount: money.Zero(c), Tax: money.Zero(c)}
	var err error
	if line.Price, err = money.ParseToken(p.Price, c); err != nil {
		bad(".price", err.Error())
	} else if !line.Price.IsPositive() {
		bad(".price", "must be above zero")
	}
	if len(p.Discount) > 0 {
		if line.Discount, err = money.ParseToken(p.Discount, c); err != nil {
			bad(".discount_amount", err.Error())
		}
	}
	percent := decimal.Zero
	if p.TaxPercent != "" {
		if percent, err = decimal.NewFromString(p.TaxPercent); err != nil {
			bad(".tax_percent", "is no decimal")
		}
	}
	if len(wrong) > 0 {
		return line, gross, wrong
	}
	amount := line.Price.Amount().Mul(decimal.NewFromInt(line.Quantity))
	net := amount.Sub(line.Discount.Amount())
	if net.IsNegative() {
		bad(".discount_amount", "is more than the line comes to")
		return line, gross, wrong
	}
	tax := net.Mul(percent).Shift(-2).Round(c.MinorUnits())
	for m, d := range map[*money.Money]decimal.Decimal{&gross: amount, &line.Tax: tax, &line.Total: net.Add(tax)} {
		if *m, err = money.New(d, c); err != nil {
			bad("", err.Error())
			break
		}
	}
	return line, gross, wrong
}

func (a *API) register(r *request) (*answer, error) {
	group := r.query.Get("response_type")
	c, err := r.split()
	if err != nil {
		return nil, err
	}
	n, counted, wrong, err := readOrder(c.Body)
	if err != nil {
		return nil, err
	}
	if wrong = append(wrong, a.wrongAddresses(&n)...); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	reg := order.OrderRegistered{
		Kind: order.KindPayment, IsTest: n.IsTest, Source: n.Gateway, SourceAccount: n.Account, MerchantReference: n.Number,
		AmountDue: &counted.sum, MaxAttempts: n.MaxPaymentAttempts, TwoStep: n.SkipCapture, RefundLimitPercent: n.RefundLimitPercent,
	}
	if n.Due != 0 {
		due, allow := time.Unix(n.Due, 0).UTC(), !n.DenyOverduePayment
		reg.DueAt, reg.AllowOverdue = &due, &allow
	}
	done, err := a.Orders.Register(r.ctx, c, reg, !n.RegisterOnly && a.Gateway.Offers(n.Gateway, n.Account, order.ActionRegister, ""))
	if err != nil {
		return nil, err
	}
	told, err := a.carryOut(r, &done, n.creation(counted, c.Personal))
	if err != nil {
		return nil, err
	}
	body, err := issued(done, group)
	if err != nil {
		return nil, err
	}
	if body.Checkout = told.Checkout; told.Links != nil {
		body.IframeCheckout, body.DirectPost, body.APIDo = told.Links.Iframe, told.Links.DirectPost, told.Links.APIDo
	}
	if body.StandardGroup != nil {
		if body.Client, err = a.sentClient(r, &done, c.Personal); err != nil {
			return nil, err
		}
	}
	if told.Outcome == order.GatewayUnknown {
		body.Status = "draft"
	}
	return &answer{body: body, position: done.Through.Position.String(), revision: &done.Through.Revision, location: "/orders/" + done.OrderID + "/", gateway: told.Outcome}, nil
}

// sentClient is the client that a request brought, which only who sends the same again sees again, until it is erased.
func (a *API) sentClient(r *request, done *commands.Done, personal json.RawMessage) (ClientShown, error) {
	if done.Replayed {
		return a.clientOf(r.ctx, done.OrderID)
	}
	return shownClient(personal)
}

// wrongOrder tells what is wrong with an order besides what its schema says.
func (a *API) wrongOrder(raw []byte) []FieldError {
	n, _, wrong, _ := readOrder(raw) // members that have no meaning are told by the schema
	return append(wrong, a.wrongAddresses(&n)...)
}

// wrongAddresses tells of an account that is not there, and of redirects that no customer can be sent to.
func (a *API) wrongAddresses(n *NewOrder) (wrong []FieldError) {
	if !a.Account(n.Gateway, n.Account) {
		wrong = append(wrong, FieldError{Field: "account", Message: "there is no such account of the gateway"})
	}
	for _, field := range []struct{ name, text string }{
		{"success_redirect", n.SuccessRedirect}, {"in_progress_redirect", n.InProgressRedirect},
		{"failure_redirect", n.FailureRedirect}, {"cancel_redirect", n.CancelRedirect},
	} {
		to, err := url.Parse(field.text)
		if field.text != "" && (err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "") {
			wrong = append(wrong, FieldError{Field: field.name, Message: "is no absolute http or https URL"})
		}
	}
	return wrong
}

// creation is what the gateway is told of the order besides what the log holds.
func (n *NewOrder) creation(counted totals, personal json.RawMessage) commands.GatewayOrder {
	o := commands.GatewayOrder{
		DenyOverdue: n.DenyOverduePayment, SkipCapture: n.SkipCapture, MaxAttempts: n.MaxPaymentAttempts,
		RefundLimitPercent: n.RefundLimitPercent,
		Redirect:           n.SuccessRedirect, FailureRedirect: n.FailureRedirect,
		InProgressRedirect: n.InProgressRedirect, CancelRedirect: n.CancelRedirect,
	}
	for i, line := range counted.lines {
		o.Products = append(o.Products, commands.GatewayProduct{
			Title: line.Title, Price: line.Price, Quantity: line.Quantity, Discount: line.Discount, TaxPercent: n.Products[i].TaxPercent,
		})
	}
	titles := make([]string, len(n.Products))
	for i := range n.Products {
		titles[i] = n.Products[i].Title
	}
	o.Description = strings.Join(titles, ", ")
	var sealed struct {
		Client Client `json:"client"`
	}
	if json.Unmarshal(personal, &sealed) == nil { // checked by the operation's schema before
		c := &sealed.Client
		o.Client = commands.GatewayClient{
			Email: c.Email, Phone: c.Phone, FirstName: c.FirstName, LastName: c.LastName, Address: c.Address, City: c.City,
			PostalCode: c.ZipCode, Country: c.Country, BirthDate: c.BirthDate, PersonalCode: c.Code,
		}
	}
	return o
}

// Creation is what a gateway is told of an order, from the request that asked for it; commands of a crashed
// process are finished with it.
func Creation(body, personal json.RawMessage) (commands.GatewayOrder, error) {
	n, counted, wrong, err := readOrder(body)
	if err == nil && len(wrong) > 0 {
		err = invalid(wrong...)
	}
	if err != nil {
		return commands.GatewayOrder{}, err
	}
	return n.creation(counted, personal), nil
}

// split takes the personal data out of a body.
func (r *request) split() (commands.Request, error) {
	c := r.command()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.body, &members); err != nil {
		return c, invalid(FieldError{Field: "body", Message: "is no object"})
	}
	client, ok := members["client"]
	if !ok {
		return c, nil
	}
	delete(members, "client")
	var err error
	if c.Body, err = json.Marshal(members); err != nil {
		return c, err
	}
	if string(client) == "{}" {
		return c, nil
	}
	c.Personal, err = json.Marshal(map[string]json.RawMessage{"client": client})
	return c, err
}

// readOrder reads an order as it was asked for, with what it leaves out filled in. wrong is what of it nobody could
// sell; of a body that the schema does not allow, as far as it can be read.
func readOrder(body []byte) (n NewOrder, counted totals, wrong []FieldError, err error) {
	if err = json.Unmarshal(body, &n); err != nil {
		err = invalid(FieldError{Field: "body", Message: "is not what the document says"})
	}
	for field, fallback := range map[*string]string{&n.Gateway: defaultGateway, &n.Account: defaultAccount, &n.Currency: defaultCurrency} {
		if *field == "" {
			*field = fallback
		}
	}
	counted, wrong = n.count()
	return n, counted, wrong, err
}

// issued is the answer to an order request, from what the log holds alone.
func issued(done commands.Done, group string) (IssuedOrder, error) {
	n, t, _, err := readOrder(done.Request) // which was found right
	if err != nil {
		return IssuedOrder{}, err
	}
	out := IssuedOrder{
		Type: "order", ID: done.OrderID, Number: n.Number, Status: "issued", Currency: n.Currency, Subtotal: t.subtotal,
		TotalDiscount: t.discount, TotalTax: t.tax, Total: t.sum, IsTest: n.IsTest, Issued: done.At.Unix(), Revision: done.Revision,
		TransactionDetails: TransactionDetails{Errors: []string{}},
	}
	if group == "standard" || group == "full" {
		nothing := money.Zero(t.sum.Currency())
		out.StandardGroup = &StandardGroup{
			Products: t.lines, SuccessRedirect: n.SuccessRedirect, InProgressRedirect: n.InProgressRedirect,
			FailureRedirect: n.FailureRedirect, CancelRedirect: n.CancelRedirect, RefundAmount: &nothing,
		}
	}
	if group == "full" {
		out.FullGroup = &FullGroup{
			Gateway: n.Gateway, Account: n.Account, Due: n.Due, DenyOverduePayment: n.DenyOverduePayment, SkipCapture: n.SkipCapture,
			MaxPaymentAttempts: n.MaxPaymentAttempts, RefundLimitPercent: n.RefundLimitPercent,
		}
	}
	return out, nil
}
