package fakegateway

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
)

// checkout is where the customer pays, or the merchant authorises a refund.
func (f *Fake) checkout(gateway, id string) string {
	switch {
	case f.o.Site != "":
		return f.o.Site + "/pay/" + id
	case gateway == Decta:
		return "https://gate.example/payform/" + id + "/"
	case gateway == Everifin:
		return "https://paygate.example/" + id
	}
	return "https://pay.example?key=" + id
}

// pay serves the pages that Options.Site leads to: a customer pays, or declines, with a click.
func (f *Fake) pay() {
	f.mux.HandleFunc("GET /pay/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.showPayform(w, r.PathValue("id"), "")
	})
	f.mux.HandleFunc("POST /pay/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		said := "This cannot be paid any more."
		if f.payable(id) {
			said = "Done. The gateway tells the ledger by a signed webhook."
			if err := f.decide(r.Context(), id, r.FormValue("do") == "decline"); err != nil {
				said = err.Error()
			}
		}
		f.showPayform(w, id, said)
	})
}

// decide does what a customer chose.
func (f *Fake) decide(ctx context.Context, id string, declined bool) error {
	switch gateway := f.gatewayOf(id); {
	case !declined:
		return f.Pay(ctx, id)
	case gateway == Decta:
		return f.Decline(ctx, id)
	case gateway == Everifin:
		return f.Turn(ctx, id, "FAILED", "CANCELED_BY_PAYER_AT_BANK")
	}
	return f.Turn(ctx, id, "Abandoned", "")
}

// payable tells whether a payment waits for its customer.
func (f *Fake) payable(id string) (ok bool) {
	f.with(id, func(o *gatewayOrder) {
		status := o.status
		if o.gateway == Everifin {
			status = o.paymentOf(id).status
		}
		switch status {
		case "issued", "viewed", "failed", "overdue", "CREATED", "SEEN", "PROCESSING", "CONFIRMED",
			"Initiated", "PendingMerchant", "InProgress", "Processing", "PendingProvider":
			ok = true
		}
	})
	return ok
}

func (f *Fake) showPayform(w http.ResponseWriter, id, said string) {
	page := payform{Said: said, Payable: f.payable(id)}
	f.with(id, func(o *gatewayOrder) {
		page.Gateway, page.Reference, page.Status = o.gateway, o.reference, o.status
		page.Total = o.total.Format()
	})
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	if page.Gateway == "" {
		w.WriteHeader(http.StatusNotFound)
		page.Said = fmt.Sprintf("There is no order %s.", id)
	}
	_ = payformPage.Execute(w, page)
}

type payform struct {
	Gateway, Reference, Status, Total, Said string
	Payable                                 bool
}

var payformPage = template.Must(template.New("payform").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Pay</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
button{font:inherit;padding:.4rem 1.2rem;margin-right:.6rem}.said{color:#116329}
@media (prefers-color-scheme:dark){body{color:#e6e9ec;background:#15181b}.said{color:#56d364}}
</style></head><body>{{with .Said}}<p class="said" role="status">{{.}}</p>{{end}}{{if .Gateway}}<h1>{{.Total}}</h1>
<p>Order {{.Reference}} at the stand-in of {{.Gateway}}, status {{.Status}}. No money moves here.</p>
{{if .Payable}}<form method="post"><button name="do" value="pay">Pay</button><button name="do" value="decline">Decline</button></form>{{end}}{{end}}</body></html>
`))
