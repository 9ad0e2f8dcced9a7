package order

// payoutFact decides facts about an order that sends money out. Facts in the
// words of collecting orders are understood in a payout's sense (domain rule
// A12): "paid" means that the money went out.
func (d *decider) payoutFact(f Fact) {
	at := f.about()
	switch f := f.(type) {
	case PayoutReported:
		d.payout(at, f)
	case Totals:
		switch {
		case f.ReversalReported:
			d.payout(at.with(":payout:reversed"), PayoutReported{Status: PayoutStateReversed, Amount: &f.Total})
		case f.Captured && !f.CaptureImplied:
			d.payout(at.with(":payout:paid").on(f.CapturedAt), PayoutReported{Status: PayoutStatePaid, Amount: &f.Total})
		}
	case Processing:
		d.payout(at, PayoutReported{Status: PayoutStateProcessing})
	case Failed:
		d.payout(at, PayoutReported{Status: PayoutStateFailed, ReasonCode: f.ReasonCode})
	case Cancelled, Expired:
		d.payout(at, PayoutReported{Status: PayoutStateCancelled})
	case Anomaly:
		d.emit(at, AnomalyFlagged{Code: f.Code, Detail: f.Detail})
	case StatusObserved:
		if f.Recognised {
			d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true})
		} else {
			d.emit(at, GatewayStatusObserved{Status: at.Status}, FlagStatusUnrecognised)
		}
	case OrderStatusObserved:
		d.emit(at, GatewayOrderStatusObserved{SourceOrderID: f.SourceOrderID, Status: at.Status})
	case Issued, Viewed, Overdue, Rejected, PaidOutside, Fee, PaymentSeen, PendingAtProvider, Abandoned,
		PaymentLapsed, Withdrawn, OutcomeUnknown, Confirmed, Captured, Settled, ReversalStarted, ReversalRefused,
		RefundReported, RefundTotals, RefundStepAt, RefundWord, DisputeStage, DisputeTotals:
		// None of these has a meaning for money that goes out.
		if at.Status != "" {
			d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true})
		}
	default: // At is no fact by itself
	}
}

func (d *decider) payout(at At, f PayoutReported) {
	id := DeriveID(d.orderID, "payout", "1")
	amount := f.Amount
	if amount == nil && d.s.DueKnown {
		due := d.s.AmountDue
		amount = &due
	}
	if amount == nil && d.s.Payout.Known {
		amount = &d.s.Payout.Amount
	}
	known := amount != nil && amount.IsPositive()
	switch f.Status {
	case PayoutStateRequested:
		d.emit(at, PayoutRequested{PayoutID: id, Amount: amount})
	case PayoutStateProcessing:
		d.emit(at, PayoutProcessing{PayoutID: id})
	case PayoutStatePaid:
		if d.s.Payout.completed || !known {
			d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true})
			return
		}
		d.emit(at, PayoutCompleted{PayoutID: id, Amount: *amount})
	case PayoutStateFailed:
		d.emit(at, PayoutFailed{PayoutID: id, ReasonCode: f.ReasonCode})
	case PayoutStateCancelled:
		d.emit(at, PayoutCancelled{PayoutID: id})
	case PayoutStateReversed:
		if d.s.Payout.reversed || !known {
			d.emit(at, GatewayStatusObserved{Status: at.Status, Recognised: true})
			return
		}
		if !d.s.Payout.completed { // it cannot have come back without going out
			d.emit(at.with(":implied"), PayoutCompleted{PayoutID: id, Amount: *amount})
		}
		out := d.s.Payout.PaidOut
		if less(out, *amount) {
			d.emit(at, AnomalyFlagged{Code: FlagUnexpectedTransition, Detail: "the gateway tells that " + amount.Format() +
				" of the payout came back, and " + out.Format() + " went out: that much is counted"})
			amount = &out
		}
		d.emit(at, PayoutReversed{PayoutID: id, Amount: *amount})
	}
}
