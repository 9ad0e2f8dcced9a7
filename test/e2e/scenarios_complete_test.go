package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// TestScenarios_Complete: each status and reason of the gateways' documents is in the title of a scenario.
func TestScenarios_Complete(t *testing.T) {
	t.Parallel()
	for document, c := range map[string]struct {
		words string // of the document's tables, as it writes them
		flows []flow
	}{
		"General Payment Flow": {
			"Paid, Failed, Issued, In progress, Viewed, Hold, Overdue, Expired, Cancelled, Rejected, Recieved, Refunded, Reversed, Refund initiated, " +
				"Refund failed, Refund reversed, Reversal initiated, Reversal failed, Chargeback, Representation, Retrieval, Pre-arbitration, " +
				"Arbitration, Pre-compliance, Compliance, Good faith, Fraud advice, Created, Test",
			slices.Concat(orderStatus(), disputeStatus()),
		},
		"Paygate Payment Flow": {
			"CREATED, SEEN, PROCESSING, CONFIRMED, BOOKED, WITHDRAWN, FAILED, EXPIRED, PROCESSING_EXPIRED, UNPAID, PARTIALLY_PAID, PAID", paygatePaymentFlow(),
		},
		"Recommended reactions": {
			"CONFIRMED, BOOKED, FAILED, EXPIRED, WITHDRAWN, PROCESSING_EXPIRED, PROCESSING, CREATED, SEEN", recommendedReactions(),
		},
		"Payment Failure reason codes": {
			"CANCELED_BY_PAYER_AT_EVERIFIN, BANK_NOT_FOUND, MANUAL_TRANSFER_REQUESTED, CANCELED_BY_PAYER_AT_BANK, INSUFFICIENT_AMOUNT, " +
				"AML_BLOCKED, REJECTED_BY_BANK, OTHER", reasonCodes(),
		},
		"Get payment details": {
			"Initiated, PendingMerchant, InProgress, Processing, PendingProvider, Approved, Settled, Failed, Abandoned, Refunded, PendingRefund, PartialyRefunded",
			getPaymentDetails(),
		},
	} {
		for word := range strings.SplitSeq(c.words, ", ") {
			if !slices.ContainsFunc(c.flows, func(f flow) bool { return titled(f.title, word) }) {
				t.Errorf("%s: no scenario is about %s", document, word)
			}
		}
	}
}

// titled tells whether a title has a word that is not part of another.
func titled(title, word string) bool {
	isPart := func(r byte) bool { return r == '_' || r == '-' || 'a' <= r|0x20 && r|0x20 <= 'z' }
	for rest := title; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		end := i + len(word)
		if (i == 0 || !isPart(rest[i-1])) && (end == len(rest) || !isPart(rest[end])) {
			return true
		}
		rest = rest[i+1:]
	}
}
