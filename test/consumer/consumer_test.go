// Package consumer_test runs the programs of docs/consuming.md, as they stand there, against a ledger:
// stock EventStoreDB clients that follow it as users that may only read.
package consumer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/test/harness"
)

// block returns the nth code block of a language in docs/consuming.md, from 0.
func block(t *testing.T, language string, n int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "consuming.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "\n```"+language+"\n")
	if len(blocks) <= n+1 {
		t.Fatalf("docs/consuming.md has %d blocks of %s", len(blocks)-1, language)
	}
	code, _, closed := strings.Cut(blocks[n+1], "\n```\n")
	if !closed {
		t.Fatalf("block %d of %s has no end", n, language)
	}
	return code + "\n"
}

// node is a ledger whose event store others reach over TLS.
type node struct {
	*harness.Ledger
	address, caFile string
}

// serve starts a ledger with the user "ledger" and the reader "reports".
func serve(t *testing.T) *node {
	t.Helper()
	certificate, key := selfSigned(t)
	l := harness.Serve(t, harness.Options{
		Config: fmt.Sprintf("eventstore:\n  certificate: %s\n  key: %s\n  users: {ledger: \"env:W\"}\n  readers: {reports: \"env:R\"}\n", certificate, key),
		Env:    []string{"LEDGER_EVENTSTORE_LISTEN=127.0.0.1:0", "LEDGER_CANARY=0", "W=writes", "R=reads"},
	})
	var said struct{ Events string }
	if err := json.Unmarshal([]byte(l.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	traffic := t.TempDir()
	l.Site.RunOK(t, "simulate", "--orders", "60", "--seed", "3", "--out", traffic)
	for _, gateway := range []string{"decta", "everifin", "connectpay"} {
		l.Site.RunOK(t, "ingest", "--gateway", gateway, filepath.Join(traffic, gateway+".ndjson"))
	}
	return &node{Ledger: l, address: said.Events, caFile: certificate}
}

// connection is how a client connects as a user.
func (n *node) connection(user, password string) string {
	u := url.URL{Scheme: "esdb", Host: n.address, User: url.UserPassword(user, password), RawQuery: "tlsCAFile=" + url.QueryEscape(n.caFile)}
	return u.String()
}

// feed returns "id stream type" of every event of orders and payouts, as HTTP shows them.
func (n *node) feed(t *testing.T) (events []string) {
	t.Helper()
	for line := range strings.Lines(n.Get(t, "/events?format=ndjson&category=order,payout").Body) {
		var e struct{ ID, Stream, Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e.ID+" "+e.Stream+" "+e.Type)
	}
	return events
}

// facts are the first three words of each line that a consumer printed.
func facts(p *harness.Process) (events []string) {
	for line := range strings.Lines(p.Stdout().String()) {
		if words := strings.Fields(line); strings.HasSuffix(line, "\n") && len(words) >= 3 {
			events = append(events, strings.Join(words[:3], " "))
		}
	}
	return events
}

// mustFollow runs a consumer, kills it, runs it again, and checks that the two saw everything in order,
// what comes live too. command takes connection and file.
func mustFollow(t *testing.T, command func(args ...string) harness.Command) {
	t.Helper()
	n := serve(t)
	want := n.feed(t)
	run := command(n.connection("reports", "reads"), filepath.Join(t.TempDir(), "position"))
	first := harness.Launch(t, run)
	first.Stdout().WaitForLine(t, want[len(want)/3])
	first.Kill(t)
	second := harness.Launch(t, run)
	second.Stdout().WaitForLine(t, want[len(want)-1])
	body := `{"type":"order","id":"live","number":"live","status":"paid","currency":"EUR","total":5.00,"issued":1762000000,"modified":1762000100,"is_test":false}`
	if answer := n.Post(t, "decta", body); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	want = n.feed(t)
	second.Stdout().WaitForLine(t, want[len(want)-1])
	second.Kill(t)
	before, after := facts(first), facts(second)
	if len(before) == 0 || len(after) == 0 {
		t.Fatalf("%d events before the kill, %d after", len(before), len(after))
	}
	if before[len(before)-1] == after[0] { // killed between handling and saving: told once more
		after = after[1:]
	}
	if diff := cmp.Diff(want, append(before, after...)); diff != "" {
		t.Errorf("events (-feed +consumer):\n%s", diff)
	}
}

func TestGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "consumer")
	if err := os.WriteFile(source, []byte(block(t, "go", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil { // with the module's versions
		t.Fatalf("%v\n%s", err, out)
	}
	mustFollow(t, func(args ...string) harness.Command { return harness.Command{Program: binary, Args: args} })
}

// javaScript is a directory with Node.js's clients.
type javaScript struct{ node, dir string }

// TestNodeJS runs programs with the clients that package-lock.json pins.
func TestNodeJS(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = exec.LookPath("npm")
	}
	if err != nil {
		const said = "NOT TESTED: consumers in Node.js, which is not installed; .ci/run installs it"
		_, _ = fmt.Fprintln(os.Stderr, said) // go test -v=false shows no skipped tests
		t.Skip(said)
	}
	js := javaScript{node: node, dir: t.TempDir()}
	if err := os.CopyFS(js.dir, os.DirFS("nodejs")); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=5")
	install.Dir = js.dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	for name, test := range map[string]func(*testing.T, javaScript){
		"Follow": followInNodeJS, "Group": groupInNodeJS, "Versions": versionsInNodeJS, "ReadersCannotWrite": readersCannotWrite, "KurrentDB": kurrentDB,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, js)
		})
	}
}

// program returns how to run a program.
func (js javaScript) program(t *testing.T, name, source string) func(args ...string) harness.Command {
	t.Helper()
	file := filepath.Join(js.dir, name+".mjs")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) harness.Command {
		return harness.Command{Program: js.node, Args: append([]string{file}, args...)}
	}
}

func followInNodeJS(t *testing.T, js javaScript) {
	mustFollow(t, js.program(t, "follow", block(t, "js", 1)))
}

// versionsInNodeJS reads every version of RefundObserved that was ever written.
func versionsInNodeJS(t *testing.T, js javaScript) {
	read := js.program(t, "versions", block(t, "js", 0)+`
		import { readFileSync } from "node:fs";
		const said = process.argv.slice(2).map((file) => {
			const [data, metadata] = readFileSync(file, "utf8").split("\n").map((line) => line && JSON.parse(line));
			return extentOf({ dataschema: "urn:order-ledger:schema:RefundObserved:" + metadata.schema, data });
		});
		console.log(said.join(" "));
		try { extentOf({ dataschema: "urn:order-ledger:schema:RefundObserved:3", data: {} }) } catch (e) { console.log(e.message) }`)
	golden := filepath.Join("..", "..", "domain", "order", "testdata", "golden")
	var want []string
	files := []string{filepath.Join(golden, "v1", "RefundObserved.json"), filepath.Join(golden, "v1", "RefundObserved-silent.json"), filepath.Join(golden, "v2", "RefundObserved.json")}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data, metadata, _ := strings.Cut(string(text), "\n")
		e, _, err := order.Decode("RefundObserved", []byte(data), []byte(metadata))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(e.(order.RefundObserved).Extent))
	}
	done := harness.Run(t, read(files...))
	if wanted := strings.Join(want, " ") + "\nurn:order-ledger:schema:RefundObserved:3 is newer than this program\n"; done.Stdout != wanted {
		t.Errorf("got %s%s, want %s", done.Stdout, done.Stderr, wanted)
	}
}

// groupInNodeJS consumes a persistent subscription as a reader, which cannot write.
func groupInNodeJS(t *testing.T, js javaScript) {
	command := js.program(t, "group", block(t, "js", 2))
	n := serve(t)
	settings, err := esdb.ParseConnectionString(n.connection("ledger", "writes"))
	if err != nil {
		t.Fatal(err)
	}
	settings.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // the connection is not used any more
	err = client.CreatePersistentSubscriptionToAll(t.Context(), "workers", esdb.PersistentAllSubscriptionOptions{
		StartFrom: esdb.Start{}, Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"order-", "payout-"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := n.feed(t)
	worker := harness.Launch(t, command(n.connection("reports", "reads"), "workers"))
	worker.Stdout().WaitForLine(t, want[len(want)-1])
	worker.Kill(t)
	if diff := cmp.Diff(want, facts(worker)); diff != "" {
		t.Errorf("events (-feed +worker):\n%s", diff)
	}
}

// readersCannotWrite is refused with the error that the client has for it.
func readersCannotWrite(t *testing.T, js javaScript) {
	command := js.program(t, "forge", `
		import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
		const client = EventStoreDBClient.connectionString(process.argv[2]);
		for (const write of [
			() => client.appendToStream("order-x", jsonEvent({ type: "Forged", data: {} })),
			() => client.deleteStream("order-x"),
			() => client.tombstoneStream("order-x"),
		]) console.log(await write().then(() => "done", (e) => e.type));
		await client.dispose();`)
	n := serve(t)
	done := harness.Run(t, command(n.connection("reports", "reads")))
	if done.Stdout != "access-denied\naccess-denied\naccess-denied\n" {
		t.Errorf("got %s%s", done.Stdout, done.Stderr)
	}
	if want := n.feed(t); strings.Contains(strings.Join(want, "\n"), "Forged") {
		t.Error("it was written")
	}
}

// kurrentDB lets the KurrentDB client write, read, subscribe and park, on a node of its own.
func kurrentDB(t *testing.T, js javaScript) {
	process := harness.Launch(t, harness.NewSite(t, harness.Options{DatabaseURL: "postgres://none.invalid"}).Command("node", "--eventstore-listen", "127.0.0.1:0"))
	var said struct{ Events string }
	if err := json.Unmarshal([]byte(process.Stderr().WaitForLine(t, `"msg":"serving"`)), &said); err != nil {
		t.Fatal(err)
	}
	done := harness.Run(t, harness.Command{Program: js.node, Args: []string{filepath.Join(js.dir, "check.mjs"), said.Events}})
	want := "append: true revision 2\nappend at a wrong revision: wrong-expected-version\nread: 0 1 2\nsubscription with a filter: 0 1 2\n" +
		"persistent subscription: 0 1 2\nparked: 1\n"
	if done.Stdout != want {
		t.Errorf("got\n%s%swant\n%s", done.Stdout, done.Stderr, want)
	}
}

// selfSigned makes a certificate for the loopback address, and its key.
func selfSigned(t *testing.T) (certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "event store"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificateFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{
		certificateFile: {Type: "CERTIFICATE", Bytes: certificate}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificateFile, keyFile
}

// TestPython_Compiles: the client for Python cannot be had here; what it sends is in TestPythonClient_Requests of the node's
// protocol, and its program is at least Python.
func TestPython_Compiles(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	file := filepath.Join(t.TempDir(), "follow.py")
	if err := os.WriteFile(file, []byte(block(t, "python", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	compile := exec.CommandContext(t.Context(), python, "-m", "py_compile", file)
	if said, err := compile.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
