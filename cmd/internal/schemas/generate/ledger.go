package main

import (
	"encoding/json"
	"reflect"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// ledgerEvent is an event that is about no order, but about the ledger itself: of the streams period-…,
// settlement-…, webhook-… and exports-….
type ledgerEvent struct {
	name, meaning string
	kind          reflect.Type
	example       string
}

// ledgerEvents are all of them, each of version 1. None does anything to the money of an order.
func ledgerEvents() []ledgerEvent {
	period, hook, export := reflect.TypeFor[accounting.PeriodChanged](), reflect.TypeFor[push.Told](), reflect.TypeFor[app.ExportProduced]()
	const delivery = `{"subscriber":"shop","order_id":"01J9ORDER","event_id":"b1c1e3a0-0000-5000-8000-000000000000","name":"order.payment_success","attempt":2,"status":503,"problem":"answered 503"}`
	return []ledgerEvent{
		{accounting.PeriodClosedType, "A month of the books was closed, and all before it; with the digest of its trial balance, or without while it is only locked.",
			period, `{"entity":"default","period":"2026-10","trial_balance_sha256":"00ff","up_to":4711}`},
		{accounting.PeriodReopenedType, "A month of the books was opened again, and all after it, by two people.",
			period, `{"entity":"default","period":"2026-10","approver":"lee","reason":"a settlement was missing"}`},
		{accounting.EntityDefinedType, "A legal entity keeps the books of these merchant accounts from here on.",
			reflect.TypeFor[accounting.EntityDefined](), `{"entity":"baltics","time_zone":"Europe/Vilnius","accounts":["decta/lt"]}`},
		{settlement.LinesRecordedType, "A part of the lines of a statement; they count once StatementImported follows.", reflect.TypeFor[settlement.LinesRecorded](),
			`{"statement_id":"81a88fb79ce102ff5e9cefca1fbe4126","from":0,"lines":[{"line":1,"file_line":2,"kind":"payment","references":["6f2c"],"settlement_ref":"PO-1","value_date":"2026-10-03","gross":{"amount":"96.56","currency":"EUR"},"fee":{"amount":"1.90","currency":"EUR"}}]}`},
		{settlement.StatementImportedType, "A statement of a gateway or a bank was taken in, as a whole.", reflect.TypeFor[settlement.Imported](),
			`{"format":"csv","gateway":"decta","account":"default","side":"gateway","file_sha256":"00ff","window_days":14,"statement_id":"81a88fb79ce102ff5e9cefca1fbe4126","lines":1,"sums":[{"kind":"payment","lines":1,"gross":{"amount":"96.56","currency":"EUR"}}]}`},
		{settlement.StatementMatchedType, "Every line of a statement was looked at; what came of it stands on the orders.", reflect.TypeFor[settlement.StatementMatched](),
			`{"statement_id":"81a88fb79ce102ff5e9cefca1fbe4126","pass":1,"matched":1,"mismatched":0,"unmatched":0}`},
		{settlement.LineBookedType, "A line of a statement that belongs to no order was booked: a fee, a payout on its way, or money in suspense.", reflect.TypeFor[settlement.LineBooked](),
			`{"statement_id":"81a88fb79ce102ff5e9cefca1fbe4126","line":2,"kind":"fee","side":"gateway","as":"fee","entity":"default","gross":{"amount":"5.00","currency":"EUR"},"value_date":"2026-10-03","settlement_ref":"PO-1","reason":"no_reference"}`},
		{settlement.LineReleasedType, "A line of a statement that stood in suspense was released: it is known by now, or two people said to which account it goes.", reflect.TypeFor[settlement.LineBooked](),
			`{"statement_id":"81a88fb79ce102ff5e9cefca1fbe4126","line":3,"kind":"payment","side":"gateway","as":"suspense","entity":"default","gross":{"amount":"96.56","currency":"EUR"},"value_date":"2026-10-03","reference":"6f2c","reason":"matched"}`},
		{"ExportProduced", "Something was exported; the manifest says what.", export, `{"manifest":{"what":"journal","sha256":"00ff"},"actor":"kim"}`},
		{push.SubscriberAdded, "A subscriber of webhooks is served from here on.", hook, `{"subscriber":"shop"}`},
		{push.DeliverySucceeded, "A webhook was delivered.", hook, delivery},
		{push.DeliveryFailed, "An attempt to deliver a webhook failed; it is made again.", hook, delivery},
		{push.DeliveryGivenUp, "The delivery of a webhook was given up: it is a dead letter.", hook, delivery},
		{push.DeliveryRetried, "An operator had a dead letter sent again.", hook, `{"subscriber":"shop","order_id":"01J9ORDER","event_id":"b1c1e3a0-0000-5000-8000-000000000000","name":"order.payment_success"}`},
		{push.DeliveryDiscarded, "A dead letter was given up for good.", hook,
			`{"subscriber":"shop","order_id":"01J9ORDER","event_id":"b1c1e3a0-0000-5000-8000-000000000000","name":"order.payment_success","problem":"told by telephone"}`},
		{push.SubscriberReset, "Deliveries are planned anew from an earlier place: the log was restored or copied, the database lost, or an operator wanted it.",
			hook, `{"subscriber":"shop","problem":"resumed from beginning"}`},
		{push.SubscriberRemoved, "A subscriber of webhooks was removed, with what waited for it.", hook, `{"subscriber":"shop","problem":"the shop is closed"}`},
		{push.SubscriberDisabled, "A subscriber of webhooks is no longer served.", hook, `{"subscriber":"shop","problem":"10 deliveries in a row were given up"}`},
		{push.SubscriberEnabled, "A subscriber of webhooks is served again.", hook, `{"subscriber":"shop","problem":"repaired"}`},
	}
}

func (e ledgerEvent) data() json.RawMessage { return json.RawMessage(e.example) }
