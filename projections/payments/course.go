package payments

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed course.sql
var courseSQL string

// Course is how a payment came to be what it is. Times are UTC, nil where nobody told.
type Course struct {
	// GatewayStatus is the gateway's newest word for it, verbatim; empty when it said none.
	GatewayStatus        string
	BeganAt, ConfirmedAt *time.Time
}

// CourseOf reads the course of a payment from the audit trail.
func CourseOf(ctx context.Context, db Querier, orderID, paymentID string) (Course, error) {
	rows, err := db.Query(ctx, courseSQL, orderID, paymentID)
	if err != nil {
		return Course{}, fmt.Errorf("read the course of payment %q: %w", paymentID, err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (c Course, err error) {
		err = row.Scan(&c.GatewayStatus, &c.BeganAt, &c.ConfirmedAt)
		for _, at := range []*time.Time{c.BeganAt, c.ConfirmedAt} {
			if at != nil {
				*at = at.UTC()
			}
		}
		return c, err
	})
	if err != nil {
		return Course{}, fmt.Errorf("read the course of payment %q: %w", paymentID, err)
	}
	return c, nil
}
