package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/refold"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// Tags of the routes, as the document groups them.
const (
	tagOrders     = "orders"
	tagWebhooks   = "webhooks"
	tagFeed       = "feed"
	tagAccounting = "accounting"
	tagOperations = "operations"
	tagAbout      = "about"
)

// Answers that are written by hand.
type (
	// HistoryAnswer is a page of an order's events, oldest first.
	HistoryAnswer struct {
		OrderID string          `json:"order_id"`
		Events  []history.Event `json:"events"`
	}
	// ReportList are the reports that there are.
	ReportList struct {
		Reports []reports.Report `json:"reports"`
	}
	// PeriodList is what was done to the periods of the books, oldest first.
	PeriodList struct {
		Periods []journal.Shown `json:"periods"`
	}
	// EntityList are the legal entities whose books are kept.
	EntityList struct {
		Entities []accounting.EntityDefined `json:"entities"`
	}
	// RecordedAnswer says that an export is recorded.
	RecordedAnswer struct {
		Recorded string `json:"recorded"`
	}
	// AliveAnswer says that the process answers.
	AliveAnswer struct {
		Status string `json:"status" enum:"alive"`
	}
	// SchemaList are the published schemas.
	SchemaList struct {
		Schemas []SchemaEntry `json:"schemas"`
	}
	// SchemaEntry names one published schema.
	SchemaEntry struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
		ID      string `json:"id"`
		Path    string `json:"path"`
	}
	// EventPage is a page of the feed.
	EventPage struct {
		Events []map[string]any `json:"events" doc:"CloudEvents."`
		Cursor string           `json:"cursor"`
		Next   string           `json:"next"`
		More   bool             `json:"more"`
	}
)

const (
	typeNDJSON = "application/x-ndjson"
	typeHTML   = "text/html"
	typeCSV    = "text/csv"
	typeText   = "text/plain"
)

func query(name, about string) *huma.Param { return api.Param(name, "query", about, nil) }

func choice(name, about string, values ...any) *huma.Param {
	return api.Param(name, "query", about, &huma.Schema{Type: huma.TypeString, Enum: values})
}

// routes are all that is served besides the order API's own operations.
func (s *Server) describedRoutes() []*api.Route {
	var all []*api.Route
	for _, part := range [][]*api.Route{
		s.orderRoutes(), s.webhookRoutes(), s.feedRoutes(), s.accountingRoutes(), s.operationRoutes(), s.aboutRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

func (s *Server) orderRoutes() []*api.Route {
	asOf := []*huma.Param{
		query("as_of", "The order as it was: a date, a time, or a position of the log."),
		choice("by", "Which clock as_of means.", "recorded", "occurred"),
		api.Param("If-None-Match", "header", "An ETag: 304 when it is still of this revision.", nil),
		api.Param("If-Modified-Since", "header", "A Last-Modified: 304 when nothing was learnt since. If-None-Match goes before it, and tells more exactly.", nil),
	}
	read := func(id, path string) *api.Route {
		return &api.Route{
			ID: id, Method: http.MethodGet, Path: path, Tag: tagOrders, Access: api.Reading, Scope: auth.OrdersRead, OfViews: true,
			Summary: "An order with its parts, by our id, the gateway's, or the merchant's reference", Params: asOf, Handler: s.order,
			Answers: append(api.OK([]string{"ETag", "Last-Modified", "Retry-After", PositionHeader}, api.JSON[OrderAnswer]()),
				api.Answer{Status: http.StatusNotModified, Headers: []string{"ETag", "Last-Modified", "Retry-After", PositionHeader}}),
			Refusals: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		}
	}
	return []*api.Route{
		read("getOrder", "/orders/{id}"), read("getOrderSlash", "/orders/{id}/"),
		{
			ID: "orderHistory", Method: http.MethodGet, Path: "/orders/{id}/history", Tag: tagOrders, Access: api.Reading, Scope: auth.OrdersRead,
			OfViews: true, Summary: "The events of an order, oldest first, a page at a time", Handler: s.history,
			Params:  []*huma.Param{api.Param("from", "query", "First revision to show.", &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)})},
			Answers: api.OK([]string{PositionHeader}, api.JSON[HistoryAnswer]()), Refusals: []int{http.StatusNotFound, http.StatusConflict},
		}, {
			ID: "explainOrder", Method: http.MethodGet, Path: "/orders/{id}/explain", Tag: tagOrders, Access: api.Reading, Scope: auth.OrdersRead,
			OfViews: true, Summary: "Each event of an order and what it changed, from the log", Handler: s.explain,
			Answers:  api.OK(nil, api.JSON[app.Explanation]()),
			Refusals: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		},
	}
}

// OrderAnswer is an order, now or, with as_of, at a moment.
type OrderAnswer struct{}

// Schema implements huma.SchemaProvider.
func (OrderAnswer) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[app.OrderDetail](), true, "Order"), r.Schema(reflect.TypeFor[refold.Past](), true, "Past"),
	}}
}

func (s *Server) webhookRoutes() []*api.Route {
	hook := func(id, path string) *api.Route {
		return &api.Route{
			ID: id, Method: http.MethodPost, Path: path, Tag: tagWebhooks, Access: api.Public, Handler: s.webhook,
			Summary: "A notification of a gateway, as it sends it; the account's verifier proves the sender", Body: &api.Content{Type: "*/*"},
			Answers:  api.OK([]string{PositionHeader}, api.JSON[accepted](), api.Content{Type: typeText}),
			Refusals: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable},
		}
	}
	return []*api.Route{
		hook("webhook", "/webhooks/{gateway}"), hook("webhookOfAccount", "/webhooks/{gateway}/{account}"),
		{
			ID: "ingest", Method: http.MethodPost, Path: "/ingest/{gateway}/{account}", Tag: tagOperations, Access: api.OwnerOnly, Handler: s.ingest,
			Summary: "Notifications from this machine, one a line", Body: &api.Content{Type: typeNDJSON},
			Params:   []*huma.Param{query("views_wait", "How long to wait until the views show them, like 30s.")},
			Answers:  api.OK([]string{PositionHeader}, api.JSON[IngestAnswer]()),
			Refusals: []int{http.StatusNotFound, http.StatusServiceUnavailable},
		},
	}
}

func (s *Server) feedRoutes() []*api.Route {
	filters := []*huma.Param{
		query("after", "Cursor of the last event that was processed; left out, the beginning."),
		query("type", "Event types, separated by commas."), query("category", "order, payout, quarantine, ordertest, separated by commas."),
		query("order", "ULID of one order."), query("gateway", "Events of one source."), choice("test", "Test orders too.", "true", "false"),
		api.Param("limit", "query", "Most events on a page.", &huma.Schema{Type: huma.TypeInteger, Minimum: atLeast(1)}),
		query("wait", "How long to wait for an event, like 30s; at most 60s."),
		query("at_least", "Answer once the views stand at this position or later."),
	}
	formats := choice("format", "The form of a page; left out, what Accept says.", "json", "batch", "ndjson")
	return []*api.Route{
		{
			ID: "events", Method: http.MethodGet, Path: "/events", Tag: tagFeed, Access: api.Reading, Scope: auth.FeedRead, Handler: s.feed.Events,
			Summary: "Events after a cursor, a page at a time, or all of them as lines",
			Params:  append(filters, formats, api.Param("If-None-Match", "header", "An ETag of this page.", nil)),
			Answers: append(api.OK([]string{"ETag", "Link"}, api.JSON[EventPage](),
				api.Content{Type: "application/cloudevents-batch+json"}, api.Content{Type: typeNDJSON}),
				api.Answer{Status: http.StatusNotModified, Headers: []string{"ETag", "Link"}}),
			Refusals: []int{http.StatusBadRequest, http.StatusNotAcceptable, http.StatusServiceUnavailable, http.StatusTooManyRequests},
		}, {
			ID: "eventStream", Method: http.MethodGet, Path: "/events/stream", Tag: tagFeed, Access: api.Reading, Scope: auth.FeedRead, Handler: s.feed.Stream,
			Summary:  "Events as they come, as server-sent events",
			Params:   append(filters, api.Param("Last-Event-ID", "header", "The same as after, as browsers send it.", nil)),
			Answers:  api.OK(nil, api.Content{Type: "text/event-stream"}),
			Refusals: []int{http.StatusBadRequest, http.StatusNotAcceptable, http.StatusServiceUnavailable, http.StatusTooManyRequests},
		}, {
			ID: "schemas", Method: http.MethodGet, Path: "/schemas/", Tag: tagFeed, Access: api.Public, Handler: s.schemas.ServeHTTP,
			Summary: "The schemas of events", Answers: api.OK(nil, api.JSON[SchemaList]()),
		},
		{
			ID: "recordedLake", Method: http.MethodGet, Path: "/exports/lakes/{id}", Tag: tagFeed, Access: api.Reading, Scope: auth.FeedRead, Handler: s.recordedLake,
			Summary: "The newest manifest of a lake that was recorded", Answers: api.OK(nil, api.JSON[export.LakeMark]()),
			Refusals: []int{http.StatusServiceUnavailable},
		},
		s.schemaRoute("schema", "/schemas/{type}"), s.schemaRoute("schemaVersion", "/schemas/{type}/{version}"),
	}
}

func (s *Server) schemaRoute(id, path string) *api.Route {
	return &api.Route{
		ID: id, Method: http.MethodGet, Path: path, Tag: tagFeed, Access: api.Public, Handler: s.schemas.ServeHTTP,
		Summary: "The JSON Schema of an event type, the newest or one version",
		Params:  []*huma.Param{api.Param("If-None-Match", "header", "An ETag of the schema.", nil)},
		Answers: append(api.OK([]string{"ETag"}, api.Content{Type: "application/schema+json"}),
			api.Answer{Status: http.StatusNotModified, Headers: []string{"ETag"}}),
		Refusals: []int{http.StatusNotFound},
	}
}

func atLeast(n float64) *float64 { return &n }

func (s *Server) accountingRoutes() []*api.Route {
	params := []*huma.Param{
		query("period", "A month like 2026-10."), query("from", "First posting date."), query("through", "Last posting date."),
		query("as_of", "What was known then: a date or a time."), query("as_at", "What had happened by then: a date."),
		query("known_from", "The earlier moment of knowledge of a restatement."), query("up_to", "Commit position of the log: what stands after it is left out."),
		query("source", "This gateway only."), query("source_account", "This merchant account only."), query("entity", "The books of this legal entity only."),
		query("by", "day, to sum up by day instead of month."), query("memo", "true, for accounts off the balance sheet too."),
	}
	read := func(id, path, summary string, handler http.HandlerFunc) *api.Route {
		return &api.Route{
			ID: id, Method: http.MethodGet, Path: path, Tag: tagAccounting, Access: api.Reading, Scope: auth.AccountingRead, OfViews: true,
			Summary: summary, Handler: handler,
		}
	}
	pack := read("auditPack", "/orders/{id}/audit-pack", "Everything about an order that an auditor asks for", s.auditPack)
	pack.Answers, pack.Refusals = api.OK(nil, api.JSON[app.AuditPack]()), []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	list := read("reports", "/reports", "The reports that there are", s.reports)
	list.Answers = api.OK(nil, api.JSON[ReportList]())
	overview := read("overview", "/reports/overview", "A page with pictures of the reports", s.overview)
	overview.Params, overview.Answers = params, api.OK([]string{PositionHeader}, api.Content{Type: typeHTML})
	report := read("report", "/reports/{name}", "One report, as JSON or CSV", s.report)
	report.Params = append(params, choice("format", "json when left out.", "json", "csv"))
	report.Answers = api.OK([]string{PositionHeader}, api.JSON[reports.Table](), api.Content{Type: typeCSV})
	report.Refusals = []int{http.StatusNotFound}
	periods := read("periods", "/periods", "What was done to the periods of the books", s.periods)
	periods.Answers = api.OK(nil, api.JSON[PeriodList]())
	compared := read("reconciliation", "/reconciliation", "Statements of gateways and banks against our books", s.reconciliation)
	compared.Params, compared.Answers = params, api.OK([]string{PositionHeader}, api.JSON[ReconciliationAnswer]())
	entities := read("entities", "/entities", "The legal entities whose books are kept", s.entities)
	entities.OfViews, entities.Answers = false, api.OK(nil, api.JSON[EntityList]())
	return []*api.Route{pack, list, overview, report, periods, compared, entities}
}

func (s *Server) operationRoutes() []*api.Route {
	routes := s.operations()
	for _, r := range routes { // the answer to what was written
		switch r.ID {
		case "changePeriod", "defineEntity", "erase", "importStatement", "matchStatement", "recordExport", "releaseLine":
			for i := range r.Answers {
				r.Answers[i].Headers = append(r.Answers[i].Headers, PositionHeader)
			}
		}
	}
	return routes
}

func (s *Server) operations() []*api.Route {
	keys := operation("backupKeys", "/keys/backup", "Bring a copy of the keys of personal data up to date, in a folder of the ledger's machine", s.backUpKeys,
		api.JSON[KeysBackupRequest](), api.JSON[privacy.Merged](), http.StatusNotFound)
	keys.Access = api.OwnerOnly
	auditing := operation("audit", "/audit", "Compare orders of the views with the log; an audit of all tells in lines how far it is when it is asked for them", s.audit,
		api.JSON[app.AuditRequest](), api.JSON[audit.Report](), http.StatusNotFound, http.StatusConflict)
	auditing.Answers = api.OK(nil, api.JSON[audit.Report](), api.Content{Type: typeNDJSON})
	return []*api.Route{
		operation("changePeriod", "/periods", "Close a period of the books, or open it again", s.changePeriod,
			api.JSON[app.PeriodRequest](), api.JSON[app.PeriodAnswer](), http.StatusConflict),
		operation("defineEntity", "/entities", "Say which merchant accounts a legal entity keeps books of", s.defineEntity,
			api.JSON[app.EntityRequest](), api.JSON[EntityList](), http.StatusConflict),
		auditing,
		operation("rebuild", "/rebuild", "Work on the views; the answer tells how far it is, a line at a time", s.rebuild,
			api.JSON[app.RebuildRequest](), api.Content{Type: typeNDJSON}),
		operation("erase", "/erase", "Destroy personal data", s.erase,
			api.JSON[app.EraseRequest](), api.JSON[app.EraseAnswer](), http.StatusNotFound),
		operation("importStatement", "/reconciliation/statements", "Take a statement of a gateway or a bank in, and match its lines", s.importStatement,
			api.JSON[app.StatementRequest](), api.JSON[app.StatementAnswer](), http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge),
		operation("matchStatement", "/reconciliation/statements/{id}/match", "Look at lines of a statement again that do not match", s.matchStatement,
			api.JSON[MatchRequest](), api.JSON[app.StatementAnswer](), http.StatusNotFound),
		operation("releaseLine", "/reconciliation/statements/{id}/lines/{line}/release", "Take a line out of suspense, to an account that two people agree on", s.releaseLine,
			api.JSON[app.ReleaseRequest](), api.JSON[app.ReleaseAnswer](), http.StatusNotFound, http.StatusConflict),
		operation("recordExport", "/exports", "Record that something was exported", s.recordExport,
			api.JSON[app.ExportProduced](), api.JSON[RecordedAnswer]()),
		operation("webhookHistory", "/subscribers/history", "What became of outgoing webhooks, the newest first", s.webhookHistory,
			api.JSON[push.HistoryRequest](), api.JSON[[]push.Outcome](), http.StatusNotFound),
		s.backupRoute(),
		keys,
		s.scavengeRoute(),
		{
			ID: "retryParked", Method: http.MethodPost, Path: "/parked/{id}/retry", Tag: tagOperations, Access: api.Operating, Scope: auth.Operations,
			Summary: "Fold a parked order again", Handler: s.retryParked, Answers: api.OK(nil, api.JSON[ParkedAnswer]()),
			Refusals: []int{http.StatusNotFound, http.StatusConflict},
		},
	}
}

func (s *Server) backupRoute() *api.Route {
	return operation("backup", "/backup", "Copy the event log to a folder of the ledger's machine", s.backup,
		api.JSON[BackupRequest](), api.JSON[BackupRequest](), http.StatusConflict)
}

// operation is a POST that operators send.
func operation(id, path, summary string, handler http.HandlerFunc, body, answer api.Content, refusals ...int) *api.Route {
	return &api.Route{
		ID: id, Method: http.MethodPost, Path: path, Tag: tagOperations, Access: api.Operating, Scope: auth.Operations,
		Summary: summary, Handler: handler, Body: &body, Answers: api.OK(nil, answer), Refusals: refusals,
	}
}

func (s *Server) aboutRoutes() []*api.Route {
	ready := &api.Route{
		ID: "readyz", Method: http.MethodGet, Path: "/readyz", Tag: tagAbout, Access: api.Public, Handler: s.readyz,
		Summary: "Notifications are taken in, and the views show them",
		Answers: append(api.OK(nil, api.JSON[Health]()), api.Answer{
			Status: http.StatusServiceUnavailable, About: "Not now; the answer says why", Content: []api.Content{api.JSON[Health]()},
		}),
	}
	index := &api.Route{
		ID: "index", Method: http.MethodGet, Path: "/", Tag: tagAbout, Access: api.Public, Summary: "A page for people",
		Answers: api.OK(nil, api.Content{Type: typeHTML}), Handler: s.index,
	}
	return []*api.Route{s.healthRoute(), ready, s.metricsRoute(), index}
}

func (s *Server) healthRoute() *api.Route {
	return &api.Route{
		ID: "healthz", Method: http.MethodGet, Path: "/healthz", Tag: tagAbout, Access: api.Public, Summary: "The process answers",
		Answers: api.OK(nil, api.JSON[AliveAnswer]()), Handler: s.healthz,
	}
}

func (s *Server) metricsRoute() *api.Route {
	return &api.Route{
		ID: "metrics", Method: http.MethodGet, Path: "/metrics", Tag: tagAbout, Access: api.Public, Summary: "For Prometheus",
		Answers: api.OK(nil, api.Content{Type: typeText}), Handler: promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP,
	}
}
