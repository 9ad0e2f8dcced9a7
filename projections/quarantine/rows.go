// Package quarantine is the read model behind the view ledger.quarantine: notifications that belong
// to no order, each once, however often it was sent.
package quarantine

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

//go:embed insert.sql
var insertSQL string

// digestForm is what a digest looks like: SHA-256 in lower-case hexadecimal.
var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Refused is the detail of a row that stands for one that PostgreSQL refused.
const Refused = "refused by the database"

// Rows collects what ledger_data.quarantine is to hold, column by column. The zero value is empty.
type Rows struct {
	eventID                                               [][16]byte
	notificationID, source, account, code, detail, digest []string
	receivedAt                                            []time.Time
	position                                              []int64
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.eventID) }

// Add appends the row of one quarantined notification. The same event id twice makes one row: the
// first. A notification that is not as our own writer makes it becomes what AddUnreadable makes of
// it.
func (r *Rows) Add(ev *eventstore.RecordedEvent, n *order.NotificationQuarantined, m *order.Metadata) {
	if n.NotificationID == "" || !digestForm.MatchString(n.BodySHA256) {
		r.AddUnreadable(ev, n.Gateway, "a quarantined notification without an id or a digest")
		return
	}
	receivedAt := n.ReceivedAt
	if receivedAt.IsZero() {
		receivedAt = m.RecordedAt
	}
	r.append(ev, n.NotificationID, n.Gateway, n.Account, string(n.Code), n.Detail, n.BodySHA256, receivedAt)
}

// AddUnreadable appends the row of an event in a quarantine stream that is no quarantined
// notification: a foreign client wrote it, or a newer version. Its id and the digest of its data
// stand for those of a notification.
func (r *Rows) AddUnreadable(ev *eventstore.RecordedEvent, gateway, detail string) {
	sum := sha256.Sum256(ev.Data)
	r.append(ev, ev.ID.String(), gateway, "", string(order.FlagMalformedBody), detail,
		hex.EncodeToString(sum[:]), ev.Created)
}

func (r *Rows) append(
	ev *eventstore.RecordedEvent, notificationID, source, account, code, detail, digest string, receivedAt time.Time,
) {
	r.eventID = append(r.eventID, ev.ID)
	r.notificationID = append(r.notificationID, storable.Text(notificationID))
	r.source = append(r.source, storable.Text(source))
	r.account = append(r.account, storable.Text(account))
	r.code = append(r.code, storable.Text(code))
	r.detail = append(r.detail, storable.Text(detail))
	r.receivedAt = append(r.receivedAt, receivedAt)
	r.digest = append(r.digest, digest)
	r.position = append(r.position, int64(ev.Position.Commit))
}

// Queue adds the one statement that writes all rows.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(insertSQL, r.eventID, r.notificationID, r.source, r.account, r.code, r.detail, r.receivedAt,
		r.digest, r.position)
}
