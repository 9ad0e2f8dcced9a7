package reports

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/accounting"
)

// SetChart shows the books with a chart of accounts: the views and the reports, whatever was posted before included.
func SetChart(ctx context.Context, conn *pgx.Conn, chart []accounting.ChartEntry) error {
	bases, codes := make([]string, len(chart)), make([]string, len(chart))
	names, types := make([]string, len(chart)), make([]string, len(chart))
	for i, e := range chart {
		bases[i], codes[i], names[i], types[i] = e.Account.Code(), e.Code, e.Name, string(e.Type)
	}
	if _, err := conn.Exec(ctx, `UPDATE ledger_chart.accounts AS a SET code = c.code, name = c.name, type = c.type
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS c(base_account, code, name, type)
		WHERE a.base_account = c.base_account AND (a.code, a.name, a.type) IS DISTINCT FROM (c.code, c.name, c.type)`,
		bases, codes, names, types); err != nil {
		return fmt.Errorf("set the chart of accounts: %w", err)
	}
	return nil
}
