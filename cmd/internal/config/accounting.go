package config

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/accounting"
)

// books is the part of the YAML file about accounting: the mode of the books, and codes and names of accounts by
// their codes without configuration.
type books struct {
	Mode     accounting.Mode `yaml:"mode"`
	Accounts map[string]struct {
		Code string `yaml:"code"`
		Name string `yaml:"name"`
	} `yaml:"accounts"`
}

// LoadChart reads the chart of accounts; nil when the file says nothing about it, so that a command without the file
// leaves the chart as it is.
func LoadChart(s Settings) ([]accounting.ChartEntry, error) {
	if s.File == "" {
		return nil, nil
	}
	f, err := readFile(s.File)
	if err != nil || f.Accounting == nil {
		return nil, err
	}
	renamed := map[string]accounting.Renamed{}
	for code, r := range f.Accounting.Accounts {
		renamed[code] = accounting.Renamed{Code: r.Code, Name: r.Name}
	}
	chart, err := accounting.Chart(f.Accounting.Mode, renamed)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: accounting: %w", s.File, err)
	}
	return chart, nil
}
