package commands_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/statements"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestSettlements_ImportedByAnEarlierVersion: testdata/earlier has what a version that knew neither RvslInd nor InstdAmt recorded
// of a file. The same file is read better now, and its money does not count again.
func TestSettlements_ImportedByAnEarlierVersion(t *testing.T) {
	t.Parallel()
	file := func(name string) []byte {
		content, err := os.ReadFile("testdata/earlier/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	log := openNode(t)
	in := commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{plain{}},
		Clock: func() time.Time { return time.Date(2026, 10, 2, 12, 0, 0, 0, time.UTC) }})
	paidOrders(t, in, 1)
	var imported settlement.Imported
	if err := json.Unmarshal(file("StatementImported.json"), &imported); err != nil {
		t.Fatal(err)
	}
	envelope := []byte(`{"ledger_id":"x","schema":1,"recorded_at":"2026-10-06T00:00:00Z","source":"plain","source_account":"default","actor":"kim"}`)
	var events []eventstore.EventData
	for _, name := range []string{settlement.LinesRecordedType, settlement.StatementImportedType} {
		events = append(events, eventstore.EventData{
			ID: settlement.EventID(imported.StatementID, name, ""), Type: name, JSON: true, Data: file(name + ".json"), Metadata: envelope,
		})
	}
	if _, err := log.Append(t.Context(), settlement.Stream(imported.StatementID), eventstore.NoStream, events...); err != nil {
		t.Fatal(err)
	}
	settlements := commands.NewSettlements(in)
	if _, err := settlements.Match(t.Context(), imported.StatementID, "kim"); err != nil {
		t.Fatal(err)
	}
	before := bookOf(t, log)

	m, err := statements.ParseMapping([]byte("gateway: plain\n"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := statements.Read("bank.camt053.xml", file("bank.camt053.xml"), m, "default")
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() == imported.StatementID {
		t.Fatal("the file is read as it was: nothing is tested")
	}
	receipt, err := settlements.Import(t.Context(), &again, "kim")
	if err != nil || !receipt.Known || receipt.StatementID != imported.StatementID {
		t.Errorf("%+v, %v: want the statement that is known", receipt, err)
	}
	if diff := cmp.Diff(before, bookOf(t, log)); diff != "" {
		t.Errorf("the same file changed the books (-once +twice):\n%s", diff)
	}
}
