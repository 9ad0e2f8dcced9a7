package reportpage

import (
	"testing"

	"github.com/shopspring/decimal"
)

// TestChart_SaysTheHighest: a day that gave more back than it took is not the highest, and stages are short.
func TestChart_SaysTheHighest(t *testing.T) {
	t.Parallel()
	c := chart("EUR", "Refunds", []string{"1", "2", "3"}, []decimal.Decimal{decimal.New(-900, -2), decimal.New(300, -2), decimal.New(500, -2)})
	if c.Max() != "5.00" {
		t.Errorf("the highest is %s", c.Max())
	}
	for step, want := range map[string]string{
		"ChargebackReceived": "Chargeback", "FraudAdviceReceived": "Fraud advice", "RepresentmentFiled": "Representment", "GoodFaithRequested": "Good faith", "ArbitrationOpened": "Arbitration",
	} {
		if got := stageOf(step); got != want {
			t.Errorf("%s is %q, want %q", step, got, want)
		}
	}
}
