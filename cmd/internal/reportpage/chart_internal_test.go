package reportpage

import (
	"slices"
	"testing"
	"unicode/utf8"

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

// TestChart_LabelsHaveRoom: labels neither run into each other nor out of the picture, whatever they are and however many.
func TestChart_LabelsHaveRoom(t *testing.T) {
	t.Parallel()
	for _, labels := range [][]string{
		{"Chargeback", "Fraud advice", "Representment", "PreArbitration", "PreCompliance"}, {"Chargeback", "PreCompliance"}, slices.Repeat([]string{"25 Oct"}, 31), {"x"},
		slices.Repeat([]string{"September 2026"}, 13),
	} {
		values := make([]decimal.Decimal, len(labels))
		for i := range values {
			values[i] = decimal.New(1, 0)
		}
		end, named := 0.0, 0
		for _, b := range chart("EUR", "Some", labels, values).Bars {
			if b.Name == "" {
				continue
			}
			if b.NameX < end {
				t.Errorf("%q begins at %.1f, and the one before it ends at %.1f", b.Name, b.NameX, end)
			}
			if end = b.NameX + float64(utf8.RuneCountInString(b.Name))*letterWidth; end > pictureWidth {
				t.Errorf("%q ends at %.1f of %.1f", b.Name, end, pictureWidth)
			}
			named++
		}
		if named == 0 {
			t.Errorf("none of %v is named", labels)
		}
	}
}
