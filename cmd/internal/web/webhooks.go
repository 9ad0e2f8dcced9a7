package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/bulk"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// viewsWaitMax bounds how long the bulk endpoint waits for the views.
const viewsWaitMax = 10 * time.Minute

// errStopping ends streams when the ledger is to stop.
var errStopping = errors.New("the ledger is being stopped")

// accepted is the answer to a webhook. Gateways look at the status only (and
// ConnectPay at the word OK); people at the rest.
type accepted struct {
	Outcome        commands.Outcome `json:"outcome"`
	OrderID        string           `json:"order_id,omitempty"`
	NotificationID string           `json:"notification_id,omitempty"`
	Position       string           `json:"position,omitempty"`
	Code           order.Flag       `json:"code,omitempty"`
	Detail         string           `json:"detail,omitempty"`
}

// webhook takes one notification of a gateway in. It answers 200 when the
// notification is durable, whatever it says; a 5xx makes the gateway send it
// again.
func (s *Server) webhook(w http.ResponseWriter, r *http.Request) {
	received := time.Now().UTC()
	gateway, name := r.PathValue("gateway"), r.PathValue("account")
	if name == "" {
		name = config.DefaultAccount
	}
	account, ok := s.ledger.Accounts.Find(gateway, name)
	if !ok {
		s.refuse(w, r, "", http.StatusNotFound, "unknown_account",
			"There is no account "+name+" of gateway "+gateway+". Gateways are "+strings.Join(config.Gateways(), ", ")+"; accounts are configured.")
		return
	}
	if account.Verifier.Strategy() == signature.StrategyNone && r.Header.Get("Origin") != "" {
		s.refuse(w, r, gateway, http.StatusForbidden, "browser_refused",
			"A page in a browser sends this: the header Origin says so. Accounts that take webhooks without a signature take none from there.")
		return
	}
	body, release, err := s.bodies.read(w, r)
	defer release()
	if err != nil {
		s.unreadable(w, r, gateway, err)
		return
	}
	n := commands.Notification{
		Gateway: gateway, Account: name, Via: commands.ViaWebhook, Header: r.Header, Body: body, ReceivedAt: received,
		Verified: account.Verifier.Strategy(),
	}
	if err := account.Verifier.Verify(r.Header, body, received); err != nil {
		s.unverified(w, r, n, err)
		return
	}
	receipt, err := s.ledger.Intake.Accept(r.Context(), n)
	var unreadable *commands.UnreadableError
	if errors.As(err, &unreadable) {
		s.metrics.notifications.WithLabelValues(gateway, string(n.Via), string(receipt.Outcome), string(receipt.Code)).Inc()
		s.logger.ErrorContext(r.Context(), "webhook kept in quarantine", slog.String("gateway", gateway), slog.String("account", name), errAttr(err))
		w.Header().Set("Retry-After", "5")
		s.refuse(w, r, gateway, http.StatusServiceUnavailable, string(order.FlagOrderUnreadable),
			"The notification is kept in quarantine, and does not count yet: its order holds an event that this version of the program cannot read, or that cannot be true of the order. Send it again.")
		return
	}
	if err != nil {
		s.logger.ErrorContext(r.Context(), "webhook not stored", slog.String("gateway", gateway), slog.String("account", name), errAttr(err))
		w.Header().Set("Retry-After", "5")
		s.refuse(w, r, gateway, http.StatusServiceUnavailable, "not_stored",
			"The notification could not be stored durably. Nothing is lost: send it again.")
		return
	}
	s.metrics.took(gateway, received)
	s.metrics.notifications.WithLabelValues(gateway, string(n.Via), string(receipt.Outcome), string(receipt.Code)).Inc()
	s.tellPosition(w, r, receipt)
	if gateway == "connectpay" { // wants this word
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "OK")
		return
	}
	answer := accepted{
		Outcome: receipt.Outcome, OrderID: receipt.OrderID, NotificationID: receipt.NotificationID, Code: receipt.Code, Detail: receipt.Detail,
	}
	if receipt.Outcome == commands.Accepted || receipt.Outcome == commands.Quarantined {
		answer.Position = receipt.Position.String()
	}
	s.json(w, r, http.StatusOK, answer)
}

// tellPosition sets the header that a client reads its own write with. What was there before stands
// somewhere up to the end of the log.
func (s *Server) tellPosition(w http.ResponseWriter, r *http.Request, receipt commands.Receipt) {
	at := receipt.Position
	if receipt.Outcome == commands.Duplicate {
		head, written, err := s.ledger.Store.Head(r.Context())
		if err != nil || !written {
			return
		}
		at = head
	}
	w.Header().Set(PositionHeader, at.String())
}

// refuse answers with a problem and counts it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, gateway string, status int, code, detail string) {
	s.metrics.refused.WithLabelValues(gateway, code).Inc()
	s.problem(w, r, status, code, detail)
}

func (s *Server) unreadable(w http.ResponseWriter, r *http.Request, gateway string, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		w.Header().Set("Connection", "close")
		s.refuse(w, r, gateway, http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than 1 MiB (1,048,576 bytes). Nothing was stored.")
		return
	}
	if errors.Is(err, errBodies) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "5")
		s.refuse(w, r, gateway, http.StatusServiceUnavailable, "too_busy", "Too many webhooks are being sent. Nothing was stored: send it again.")
		return
	}
	s.refuse(w, r, gateway, http.StatusBadRequest, "body_unreadable", "The body broke off before its end. Nothing was stored: send it again.")
}

// unverified answers a sender that could not prove who it is. What it sent is
// noted, without the body and at a bounded rate, so that a wrong secret shows.
func (s *Server) unverified(w http.ResponseWriter, r *http.Request, n commands.Notification, err error) {
	code, detail := "signature_failed", "The sender could not be verified."
	var refusal *signature.Refusal
	if errors.As(err, &refusal) {
		code, detail = refusal.Code(), refusal.Detail
	}
	recorded, recordErr := s.ledger.Intake.RecordRefused(r.Context(), n, code+": "+detail)
	s.logger.WarnContext(r.Context(), "webhook refused", slog.String("gateway", n.Gateway), slog.String("account", n.Account),
		slog.String("code", code), slog.Bool("recorded", recorded), slog.Any("record_error", recordErr))
	w.Header().Set("WWW-Authenticate", `Signature realm="webhooks"`)
	s.refuse(w, r, n.Gateway, http.StatusUnauthorized, code, "The webhook is not accepted: "+detail)
}

// IngestAnswer is the answer of the bulk endpoint.
type IngestAnswer struct {
	bulk.Summary
	Position string `json:"position"`
	// Views is true when the views show all of it.
	Views bool `json:"views"`
}

// ingest takes a stream of notifications in, one a line, and answers when all
// are durable and the views show them.
func (s *Server) ingest(w http.ResponseWriter, r *http.Request) {
	gateway, name := r.PathValue("gateway"), r.PathValue("account")
	if !fromThisMachine(r) {
		s.problem(w, r, http.StatusForbidden, "not_local", "The bulk endpoint is for this machine only; gateways post to /webhooks/"+gateway+".")
		return
	}
	if !api.NamesThisMachine(r.Host) && !namesOwnAddress(r) {
		s.problem(w, r, http.StatusForbidden, "host_refused", "The bulk endpoint goes by localhost, a loopback address or this machine's address, not by the name in the Host header.")
		return
	}
	if _, ok := s.ledger.Accounts.Find(gateway, name); !ok {
		s.problem(w, r, http.StatusNotFound, "unknown_account", "There is no account "+name+" of gateway "+gateway+".")
		return
	}
	wait, err := time.ParseDuration(r.URL.Query().Get("views_wait"))
	if err != nil || wait < 0 || wait > viewsWaitMax {
		wait = viewsWaitMax
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // as long as the stream takes
	_ = control.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancelCause(r.Context())
	watched := make(chan struct{})
	go func() { // a stream may be long, a stop may not
		defer close(watched)
		select {
		case <-s.stopping:
			cancel(errStopping)
			_ = control.SetReadDeadline(time.Unix(1, 0))
		case <-ctx.Done():
		}
	}()
	defer func() {
		cancel(nil)
		<-watched
	}()
	summary, err := bulk.Ingest(ctx, s.ledger.Intake, bulk.Source{
		Gateway: gateway, Account: name, Verified: "import",
		Observe: func(receipt commands.Receipt, err error) {
			outcome := receipt.Outcome
			if err != nil {
				outcome = "failed"
			}
			s.metrics.notifications.WithLabelValues(gateway, string(commands.ViaImport), string(outcome), string(receipt.Code)).Inc()
		},
	}, r.Body)
	switch {
	case errors.Is(context.Cause(ctx), errStopping):
		s.problem(w, r, http.StatusServiceUnavailable, "stopping",
			"The ledger is being stopped. What it took in is durable; send the whole stream again, nothing is counted twice.")
		return
	case err != nil:
		s.problem(w, r, http.StatusBadRequest, "stream_broken", "The stream broke off: "+err.Error())
		return
	}
	answer := IngestAnswer{Summary: summary, Position: summary.Last.String()}
	if summary.Last != (eventstore.Position{}) {
		w.Header().Set(PositionHeader, answer.Position)
	}
	answer.Views = s.viewsShow(ctx, summary.Last, wait)
	s.json(w, r, http.StatusOK, answer)
}

// viewsShow waits a bounded time until the views show everything up to a
// position; when nothing was written, everything that was in the log before.
func (s *Server) viewsShow(ctx context.Context, last eventstore.Position, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if last == (eventstore.Position{}) {
		var some bool
		var err error
		if last, some, err = s.ledger.LastProjected(ctx); err != nil || !some {
			return err == nil
		}
	}
	return s.ledger.WaitForViews(ctx, last) == nil
}

// fromThisMachine tells whether the sender is this machine: it comes from a
// loopback address, or from the very address that it came to.
func fromThisMachine(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if remote.Addr().Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap() == remote.Addr().Unmap()
}

// namesOwnAddress tells whether a Host header is the address that the request came to.
func namesOwnAddress(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil { // clients leave 80 and 443 out
		host = strings.Trim(r.Host, "[]")
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	named, err := netip.ParseAddr(host)
	return ok && err == nil && local.AddrPort().Addr().Unmap() == named.Unmap()
}
