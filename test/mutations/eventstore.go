package main

// eventStoreMutations take away what makes up for the client's defects (C…) and what the embedded node must get right
// (E…), one by one, as docs/invariants.md lists them. More bugs of the node are among the others.
func eventStoreMutations() []mutation {
	client := func(id, bug, file, before, after, run string) mutation {
		return mutation{id, bug, "eventstore/esdbstore/" + file, before, after, "./eventstore/esdbstore", run}
	}
	inNode := func(id, bug, file, before, after, run string) mutation {
		return mutation{id, bug, "eventstore/node/" + file, before, after, "./eventstore/node", run}
	}
	served := func(id, bug, file, before, after, run string) mutation {
		return mutation{id, bug, "eventstore/node/protocol/" + file, before, after, "./eventstore/node/protocol", run}
	}
	return []mutation{
		client("C1", "a client that found no server stays in use", "session.go",
			"	if s.current == ses {\n		s.current = nil\n	}\n", "", "TestAway_LongerThanDiscovery"),
		client("C3", "who does not lead is not asked who does", "errors.go",
			"case esdb.ErrorCodeConnectionClosed, esdb.ErrorCodeNotLeader:", "case esdb.ErrorCodeConnectionClosed:", "TestCluster_LeaderMoves"),
		client("C4", "a connection that is refused at the call is kept", "session.go",
			"	case isDisconnected(err):\n		s.retire(ses)\n", "", "TestCluster_ReadsMoveOn"),
		client("C5", "a conflict of a delete is not understood", "errors.go",
			"FindStringSubmatch(err.Error()); m != nil {\n		return &eventstore", "FindStringSubmatch(err.Error()); m != nil && false {\n		return &eventstore", "TestErrors_Typed"),
		client("C6", "what is too large is sent", "append.go",
			"size > eventstore.MaxAppendSize {", "size > 2*eventstore.MaxAppendSize {", "TestErrors_Typed"),
		client("C6", "an append that the server cut short has no reason", "append.go",
			"		if lostItsReason(err) {", "		if lostItsReason(err) && false {", "TestHostile_DeniedAppends"),
		served("C6", "a malformed append is not read to its end", "append.go",
			"		drain(call)\n", "", "TestAppend_DrainsBeforeFailing"),
		{"C7", "metadata is not passed on as it is", "eventstore/esdbstore/admin.go",
			"JSON: true, Data: metadata,", "JSON: true, Data: []byte(`{}`),", "./eventstore/node/protocol", "TestProtocol_Conformance/Admin/AccessListOfSeveralRoles"},
		served("C8", "the version has a suffix", "features.go",
			`serverVersion = "24.10.0"`, `serverVersion = "24.10.0-ledger"`, "TestServer_Version"),
		client("C9", "a panic of the client ends the process", "session.go",
			"		if p := recover(); p != nil {", "		if p := any(nil); p != nil {", "TestHostile_PanicsBecomeErrors"),
		served("C9", "events do not say when they were created", "codec.go",
			`b = appendEntry(b, "created", t.created)`, `b = appendEntry(b, "Created", t.created)`, "TestRead_EventFields"),
		client("C10", "what receives for a reader that left waits for ever", "session.go",
			"			select {\n			case messages <- m:\n			case <-ctx.Done():\n				return\n			}\n", "			messages <- m\n", "TestReads_LeaveNothingBehind"),
		client("C11", "a client whose connection was lost is not closed", "session.go",
			"	_ = ses.client.Close() // it has no error to report\n", "", "TestOutages_LeaveNothingBehind"),
		client("C12", "a dropped subscription stays dropped", "subscribe.go",
			"		case isRefusal(err), errors.Is(err, eventstore.ErrInvalid):", "		case err != nil || errors.Is(err, eventstore.ErrInvalid):", "TestRestarts_WritersAndFollowers"),
		client("C12", "a dropped subscription begins again where it began", "subscribe.go",
			"				from.Store(&p)\n				return true", "				return true", "TestStore_KeepsCommitAndPrepare"),
		client("C12", "a dropped subscription is renewed at once", "subscribe.go",
			"min(20*time.Millisecond<<min(attempt, 10), resubscribeDelayMax)", "min(time.Millisecond, resubscribeDelayMax)", "TestSubscription_BacksOff"),
		client("C13", "what was called off counts as a server that is away", "errors.go",
			"		return context.Cause(ctx)\n	}\n	var e *esdb.Error", "		return joined(eventstore.ErrUnavailable, context.Cause(ctx))\n	}\n	var e *esdb.Error", "TestCancelled_SaysSo"),
		client("C14", "whoever waits for a connection waits as long as it takes", "session.go",
			"	case <-ctx.Done():\n		s.release(ses)\n		return nil, context.Cause(ctx)\n", "", "TestAway_ContextIsHonoured"),
		client("C15", "a conflict does not tell the revision", "errors.go",
			"but got '(", "but has '(", "TestErrors_Typed"),
		client("C16", "the client writes to the console", "store.go",
			"	config.Logger = func(", "	_ = func(", "TestClient_LogsToSlog"),
		client("D20", "prepare positions are forgotten", "read.go",
			"Prepare: e.Position.Prepare}", "Prepare: e.Position.Commit}", "TestStore_KeepsCommitAndPrepare"),
		client("D20", "an acknowledgement without a position is believed", "append.go",
			"	if result.Position == (eventstore.Position{}) { // the client", "	if false { // the client", "TestHostile_AnswersWithoutNumbers"),

		inNode("E1", "each append has a sync of its own", "queue.go",
			"n < maxAppends && (n == 0", "n < 1 && (n == 0", "TestNode_OneSyncPerGroup"),
		inNode("E2", "a repetition is answered before the original is synced", "writer.go",
			"		return result(known, pos, true), nil\n", "		r.answer <- answer{result: result(known, pos, true)}\n		r.answer = make(chan answer, 1)\n		return result(known, pos, true), nil\n",
			"TestNode_RepetitionWaitsForTheOriginal"),
		inNode("E5", "a new directory is not synced into its parent", "node.go",
			"		if err := syncDir(disk, p); err != nil {", "		if err := error(nil); err != nil || p == \"\" {", "TestCreateDir_SurvivesPowerLoss"),
		inNode("E5", "a backup is not synced into its parent", "backup.go",
			"	return syncDir(disk, disk.PathDir(dir))", "	return nil", "TestBackup_SurvivesPowerLoss"),
		inNode("E5", "the lock is not asked for", "lock.go",
			"	held, err := tryLockFile(f)", "	held, err := true, error(nil)", "TestOpen_RefusesLockedDirectory"),
		inNode("E7", "space is not kept free", "writer.go",
			"	if usage.AvailBytes < uint64(opts.MinFreeBytes) {", "	if usage.AvailBytes < 1 {", "TestNode_RefusesAppendsWhenSpaceIsLow"),
		inNode("E7", "opening a log on a full disk tries again for ever", "guard.go",
			"	opening := !g.armed.Load()\n", "	opening := !g.armed.Load()\n	if opening {\n		return err\n	}\n", "TestOpen_DiskFault"),
		inNode("E8", "gaps between positions are not looked for", "verify.go",
			"		if position != v.report.LastPosition+1 {", "		if position < v.report.LastPosition+1 {", "TestVerify_FindsWhatIsWrong"),
		inNode("E9", "two writers of the same revision win", "decide.go",
			"	case expected == h.last:", "	case expected == h.last || expected == h.last-1 && h.last > 0:", "TestNode_Conformance/ExpectedRevision"),
		inNode("E10", "an append that was called off while it waited is written", "writer.go",
			"		if !r.state.CompareAndSwap(requestQueued, requestTaken) {", "		if !r.state.CompareAndSwap(requestQueued, requestTaken) && false {", "TestNode_CancelledWhileQueued"),
		inNode("E11", "the queue has no end", "queue.go",
			"	case len(q.waiting) >= q.maxAppends, q.bytes", "	case q.bytes", "TestNode_RefusesWhenQueueIsFull"),
		inNode("E13", "a read of the log goes on with what is appended meanwhile", "read.go",
			"	if s.head == 0 || s.next", "	if s.head = s.node.live.head(); s.head == 0 || s.next", "TestNode_ReadsAreOneCut"),
		inNode("E13", "a read of a stream looks its settings up at each step", "read_stream.go",
			"	if s.done {\n		return nil, nil\n	}\n", "	if s.done {\n		return nil, nil\n	}\n	if info, _, err := s.node.lastEntryUpTo(s.stream, s.node.live.head()); err == nil && s.high > 0 {\n		s.high = info.lastRevision()\n	}\n",
			"TestNode_ReadsAreOneCut"),
		inNode("E14", "what is cut off is shown", "read_stream.go",
			"	first := i.settings.truncateBefore\n", "	first := uint64(0)\n", "TestNode_BehavesLikeModel"),
	}
}
