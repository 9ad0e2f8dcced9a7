package main

// Packages whose tests notice bugs.
const (
	orderPkg       = "./domain/order"
	modelPkg       = "./test/model"
	projectionsPkg = "./projections"
)

// mutations are the planted bugs, by the invariant that they break. The invariants and where each is
// tested are in docs/invariants.md.
func mutations() []mutation {
	anyHistory := func(invariant, bug, file, before, after string) mutation {
		return mutation{invariant, bug, "domain/order/" + file, before, after, orderPkg, "TestDecide_AnyHistory"}
	}
	inOrder := func(invariant, bug, file, before, after, run string) mutation {
		return mutation{invariant, bug, "domain/order/" + file, before, after, orderPkg, run}
	}
	arrival := func(invariant, bug, file, before, after string) mutation {
		return mutation{invariant, bug, "domain/order/" + file, before, after, modelPkg, "TestArrivalOrder"}
	}
	rebuilding := func(bug, file, before, after, run string) mutation {
		return mutation{"D11", bug, "projections/rebuild/" + file, before, after, projectionsPkg, run}
	}
	following := func(bug, file, before, after, run string) mutation {
		return mutation{"D12", bug, "cmd/internal/feed/" + file, before, after, "./cmd/internal/feed", run}
	}
	return []mutation{
		following("a cursor of another ledger is taken for one of this", "scan.go",
			"e.Position != c.anchor || past(&e).tag != c.tag", "e.Position != c.anchor", "TestEvents_BadCursors"),
		following("what the tail has given up is not read from the log", "tail.go",
			"	if position.Compare(t.floor) < 0 {\n		return tailRead{behind: true}, nil\n	}\n", "", "TestStream_WithoutGap"),
		following("test orders are shown to those who did not ask", "query.go",
			"order.CategoryPayout, order.CategoryQuarantine}\n", "order.CategoryPayout, order.CategoryQuarantine, order.CategoryTestOrder}\n", "TestEvents"),
		following("a client that takes nothing is kept", "compress.go",
			"g.control.SetWriteDeadline(g.feed.deadline())", "error(nil)", "TestStream_NeverReading"),
		{"D13", "the cursor is saved after the totals", "cmd/internal/reportservice/store.go",
			"	if _, err := tx.ExecContext(ctx, \"UPDATE progress SET cursor = ?, events = ?\", to, number); err != nil {\n		return err\n	}\n	return tx.Commit()",
			"	if _, err := tx.ExecContext(ctx, \"DELETE FROM seen\"); err != nil {\n		return err\n	}\n	if err := tx.Commit(); err != nil {\n		return err\n	}\n" +
				"	_, err = s.db.ExecContext(ctx, \"UPDATE progress SET cursor = ?, events = ?\", to, number)\n	return err",
			"./test/e2e", "TestReportService_ExactlyOnceThroughKills"},
		{"D15", "a period is closed for what was recorded before", "domain/accounting/period.go",
			"		if l[i].Position < position {\n", "		{\n", "./projections", "TestJournal_HoldsWithPeriods"},
		{"D15", "the running books forget a period that was closed while they ran", "projections/fold.go",
			"		f.locks = append(f.locks, change.Lock)\n", "		_ = change.Lock\n", "./projections", "TestJournal_HoldsWithPeriods"},
		{"D15", "a refund of an overpayment is an allowance", "domain/accounting/balances.go",
			"	ofOver := lesser(refunds, over)", "	ofOver := minus(over, over)", "./domain/accounting", ""},
		{"D15", "a report knows what was recorded later", "projections/reports/sql/refunds-outstanding.sql",
			"@as_of::timestamptz IS NULL OR recorded_at <= @as_of", "true", "./projections", "TestReports_WhatWasKnownStays"},
		{"D16", "exports are in the order of texts", "cmd/internal/export/dataset.go",
			"if order[i] = \"v.\" + name; name", "if order[i] = name; name", "./cmd/internal/export", "TestFormats|TestResume"},
		{"D16", "an interrupted export forgets what it had added up", "cmd/internal/export/run.go",
			"		w.restore()\n", "", "./cmd/internal/export", "TestResume"},
		{"D17", "an ordered subscriber gets later events first", "cmd/internal/push/store.go",
			"(NOT $5 OR NOT EXISTS", "(true OR NOT EXISTS", "./cmd/internal/push", "TestOrdered"},
		{"D17", "what is planned is lost when the planner stops", "cmd/internal/push/store.go",
			"pgx.CopyFromSlice(len(rows),", "pgx.CopyFromSlice(len(rows)/2,", "./cmd/internal/push", "TestDelivers"},
		{"D17", "redirects are followed", "cmd/internal/push/sender.go",
			"return http.ErrUseLastResponse", "return nil", "./cmd/internal/push", "TestBadSubscribers"},
		{"D18", "a repeated command asks the gateway again", "commands/reconcile/act.go",
			"	if done.Replayed {\n", "	if false {\n", "./test/e2e", "TestScenarios"},
		{"D18", "a refused refund stays reserved", "domain/order/command.go",
			"asked.Action == ActionRefund && r != nil && r.Open", "false && r != nil && r.Open", "./domain/order", "TestGatewayActions_RefusedRefund"},
		{"D14", "a reader may append in batches", "eventstore/node/protocol/auth.go",
			"		streams.Streams_Read_FullMethodName,\n", "		streams.Streams_Read_FullMethodName,\n		streams.Streams_BatchAppend_FullMethodName,\n",
			"./eventstore/node/protocol", "TestReadOnly_Batches"},
		{"D14", "a reader may append", "eventstore/node/protocol/auth.go",
			"		streams.Streams_Read_FullMethodName,\n", "		streams.Streams_Read_FullMethodName,\n		streams.Streams_Append_FullMethodName,\n",
			"./eventstore/node/protocol", "TestReaders"},
		rebuilding("a mark says more than the file holds", "spill.go",
			"	for slice := range w.slices {\n		if err := w.flush(slice); err != nil {", "	for slice := range w.slices[:1] {\n		if err := w.flush(slice); err != nil {",
			"TestRebuild_MakesTheRowsThatTheRunnerMade"),
		rebuilding("a unit that is loaded is loaded again after a crash", "load.go",
			"		done[int(number)] = true\n", "", "TestRebuild_KilledAtEveryPoint"),
		rebuilding("events before the last mark are spilled again after a crash", "rebuild.go",
			"		if known && ev.Position.Compare(from) <= 0 {\n			continue\n		}\n", "", "TestRebuild_KilledAtEveryPoint/marked"),
		rebuilding("a table is not compared", "proof.go",
			"c.relname <> 'checkpoint'", "c.relname NOT IN ('checkpoint', 'payments')", "TestRebuild_ShowsADifferenceAndWantsItApproved"),
		rebuilding("any digest approves a difference", "swap.go",
			"approve != AnyDifference && approve != set.Proof.Digest", "approve == \"\"", "TestRebuild_ShowsADifferenceAndWantsItApproved"),
		rebuilding("tables that are behind are swapped in", "swap.go",
			"		if x.follow && live.Known {", "		if false {", "TestRebuild_SwapsUnderARunnerAndBack"),
		rebuilding("a runner is not told that the tables were exchanged", "swap.go",
			"		if err := raiseEpochs(ctx, tx, x.from); err != nil {\n			return err\n		}\n", "", "TestRebuild_SwapsUnderARunnerAndBack"),
		rebuilding("two rebuilds work at once", "rebuild.go",
			"		if locked {\n			return nil\n		}\n", "		return nil\n", "TestRebuild_OnlyOneAtATime"),
		anyHistory("I3", "more released and captured than held leaves a negative hold", "balances.go",
			"return floorZero(sub(sub(p.Held, p.Captured), p.Released))", "return sub(sub(p.Held, p.Captured), p.Released)"),
		anyHistory("I5", "money that a dispute holds is forgotten in the exposure", "balances.go",
			"taken := add(add(b.Reversed, b.DisputeHeld), b.DisputeLost)", "taken := add(b.Reversed, b.DisputeLost)"),
		anyHistory("I6", "a repeated notification is decided again", "decide.go",
			"if state.Seen(evidence) {", "if false {"),
		arrival("I7", "an older total overwrites the amount due", "decide.go",
			"(d.s.DueKnown && reg.Version.Compare(previous) < 0)", "(d.s.DueKnown && reg.Version.Compare(previous) < -1)"),
		arrival("I7", "a reversal that arrives before its capture is forgotten", "decide_totals.go",
			"	if p.Captured.IsZero() && p.Held.IsZero() {\n		d.awaitReversal(at, id, counter)\n		return\n	}", ""),
		anyHistory("I9", "settled money is not captured money", "evolve_payment.go",
			"if less(p.Captured, p.Settled) {", "if false {"),
		anyHistory("I10", "the rest of a captured hold stays open", "decide_totals.go",
			"	d.releaseRest(at, id)\n	d.takeBack(at, id, f)", "	d.takeBack(at, id, f)"),
		anyHistory("I11", "an order paid to the cent is partially paid", "balances.go",
			"case !less(gross, due):", "case less(due, gross):"),
		anyHistory("I12", "refunds make an order less paid", "balances.go",
			"return paymentState(s.DueKnown, s.AmountDue, s.Balances().Gross)", "return paymentState(s.DueKnown, s.AmountDue, s.Balances().Net)"),
		inOrder("I13", "currencies of facts are not compared", "decide.go",
			"	for _, f := range facts {\n		eachFactAmount(f, check)\n	}", "", "TestDecide_ForeignCurrencyMovesNothing"),
		{"I14", "a digit too many is cut off", "domain/money/money.go",
			"if !exact.Equal(amount) {", "if false {", "./domain/money", "Test"},
		{"I15", "test orders stand among the live ones", "projections/batch.go",
			"r.test.Add(o.id, &o.state, flags)", "r.live.Add(o.id, &o.state, flags)", projectionsPkg, "TestViews_TellWhatTheStreamsTell"},
		{"I15", "payouts stand among the live orders", "projections/batch.go",
			"r.payouts.Add(o.id, &o.state, flags)", "r.live.Add(o.id, &o.state, flags)", projectionsPkg, "TestViews_TellWhatTheStreamsTell"},
		anyHistory("I16", "entering a stage of a dispute withdraws the money", "evolve_dispute.go",
			"			d.Amount, d.AmountKnown = amount, true\n		}\n		d.step(string(e.Stage)", "			d.Amount, d.AmountKnown = amount, true\n		}\n		d.Withdrawn = add(d.Withdrawn, s.AmountDue)\n		d.step(string(e.Stage)"),
		inOrder("I17", "a dispute that is won stays held", "decide_dispute.go",
			"} else if diff.IsNegative() {", "} else if false {", "TestDecide_ResolvedDisputeHoldsNothing"),
		inOrder("I17", "a dispute that is won counts as lost", "decide_dispute.go",
			"case OutcomeWon, OutcomeWithdrawn:", "case OutcomeWithdrawn:", "TestDecide_ResolvedDisputeHoldsNothing"),
		{"I18", "the order of a batch of one event is not written", "projections/batch.go",
			"	for _, o := range b.touched {\n", "	for _, o := range b.touched {\n		if b.events == 1 {\n			continue\n		}\n",
			projectionsPkg, "TestRunner_SameRowsInAnyBatchSize"},
		{"I19", "an answer as of a position knows what came later", "projections/refold/moment.go",
			"s.event.Position.Compare(*m.Position) > 0", "s.event.Position.Compare(*m.Position) > 1",
			projectionsPkg, "TestRefold_AsOfIsWhatTheViewsSaid"},
		anyHistory("I20", "an unknown status is taken for a payment", "evolve_payment.go",
			"			if e.ConfirmsCapture {", "			if !e.Recognised {\n				p.Captured = add(p.Captured, s.AmountDue)\n			}\n			if e.ConfirmsCapture {"),
		arrival("I22", "each value of the refund counter is a refund of its own", "decide_refund.go",
			"delta := sub(*f.Refunded, p.refundCounter)", "delta := *f.Refunded"),
		anyHistory("I23", "a failed attempt takes captured money back", "evolve_payment.go",
			"	p.Attempts = max(p.Attempts, e.Attempt)\n", "	p.Attempts = max(p.Attempts, e.Attempt)\n	p.Captured = sub(p.Captured, p.Captured)\n"),
		inOrder("I24", "money after a cancellation is dropped", "evolve_payment.go",
			"	p.Captured = add(p.Captured, e.Amount)\n	p.AwaitsCapture", "	if s.Lifecycle != LifecycleCancelled {\n		p.Captured = add(p.Captured, e.Amount)\n	}\n	p.AwaitsCapture",
			"TestDecide_MoneyAfterCloseCounts"),
		anyHistory("I25", "event ids come from a counter of the process", "decide.go",
			"	return d.emitAs(EventID(d.orderID, at.Key, e.EventType()), at, e, flags...)", "	return d.emitAs(uuid.New(), at, e, flags...)"),
	}
}
