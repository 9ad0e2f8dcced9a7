package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// eachCommand calls do with every command, on a tree of its own.
func eachCommand(do func(path []string, cmd *cobra.Command)) {
	var walk func(path []string)
	walk = func(path []string) {
		c := &cli{env: func(string) string { return "" }}
		cmd, _, _ := c.root().Find(path)
		do(path, cmd)
		for _, sub := range cmd.Commands() {
			walk(append(path[:len(path):len(path)], sub.Name()))
		}
	}
	walk(nil)
}

func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, func(string) string { return "" }, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// TestHelp_FitsATerminal asks every command for its help, which is readable on a terminal of 80 columns.
func TestHelp_FitsATerminal(t *testing.T) {
	t.Parallel()
	eachCommand(func(path []string, _ *cobra.Command) {
		code, out, errs := call(t, append(path, "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "\nUsage:\n  ledger") {
			t.Errorf("ledger %v --help: exit code %d, stderr %q", path, code, errs)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if len([]rune(line)) > helpWidth && !strings.HasPrefix(line, "  ledger ") && !strings.HasPrefix(line, "\t") {
				t.Errorf("ledger %v --help: %d columns: %s", path, len([]rune(line)), line)
			}
		}
	})
}

// TestHelp_ExamplesAreCommandLines parses the examples of every command that takes something.
func TestHelp_ExamplesAreCommandLines(t *testing.T) {
	t.Parallel()
	eachCommand(func(path []string, cmd *cobra.Command) {
		if cmd.Example == "" && strings.Contains(cmd.Use, "--") {
			t.Errorf("ledger %v takes flags and has no example", path)
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			_, line, found := strings.Cut(line, "ledger ")
			if !found {
				continue
			}
			if err := parse(line); err != nil {
				t.Errorf("ledger %v --help has the example `ledger %s`: %v", path, line, err)
			}
		}
	})
}

// TestDocs_CommandLinesExist parses every command line of ours that the documentation tells people to type, in blocks
// and within sentences.
func TestDocs_CommandLinesExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pages := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") && filepath.Base(path) != "CHANGELOG.md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```")
	call := regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ |\./|go run \./cmd/)*ledger (.*)$`)
	inline := regexp.MustCompile("`ledger ([^`]*)`")
	lines := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			for _, m := range call.FindAllStringSubmatch(b[1], -1) {
				lines++
				if err := parse(m[1]); err != nil {
					t.Errorf("%s: ledger %s: %v", page, m[1], err)
				}
			}
		}
		for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(string(text), ""), -1) {
			lines++
			err := parse(strings.Join(strings.Fields(m[1]), " "))
			if err != nil && !strings.Contains(err.Error(), "lacks the argument") && !strings.Contains(err.Error(), "needs an argument") { // a sentence may leave them out
				t.Errorf("%s: ledger %s: %v", page, m[1], err)
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// parse tells whether a command line is one, up to a comment or a redirection.
func parse(line string) error {
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, " > ")
	line, _, _ = strings.Cut(line, "  ")
	c := &cli{env: func(string) string { return "" }}
	called, args, err := c.root().Find(words(line))
	if err == nil {
		err = called.ParseFlags(args)
	}
	if err == nil {
		err = called.ValidateArgs(called.Flags().Args())
	}
	return err
}

// words splits a command line, with what stands in quotes as one word.
func words(line string) []string {
	var out []string
	for i, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '\'' || r == '"' }) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// TestUsage_SaysWhatToDo answers wrong command lines with one sentence in the user's words.
func TestUsage_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"order show":            "`ledger order show` lacks the argument ID; see `ledger order show --help`",
		"order show a b":        "`ledger order show` takes ID alone: \"b\" is an argument too many; see `ledger order show --help`",
		"serve now":             "`ledger serve` takes no argument, and \"now\" is one; see `ledger serve --help`",
		"ingest --gateway x":    "`ledger ingest` lacks the argument FILE…; see `ledger ingest --help`",
		"verify a b":            "`ledger verify` takes DIR alone: \"b\" is an argument too many; see `ledger verify --help`",
		"status --dta-dir x":    "there is no flag --dta-dir; did you mean --data-dir?; see `ledger status --help`",
		"status -data-dir x":    "there is no flag -data-dir; long flags begin with two dashes; see `ledger status --help`",
		"simulate --orders ten": "--orders takes a whole number, not \"ten\"; see `ledger simulate --help`",
		"serve --canary -3s":    "--canary takes a duration like 30s or 5m, 0 or more, not \"-3s\"; see `ledger serve --help`",
		"serve --canary":        "--canary lacks its value; see `ledger serve --help`",
		"help sevre":            "there is no command \"ledger sevre\"; did you mean serve?; see `ledger --help`",
		"report trial-balnce":   "there is no such report: \"trial-balnce\"; did you mean trial-balance?; `ledger report --help` lists them",
		"token create x --scopes orders": "\"orders\" is no scope; there are orders:write, orders:read, clients:read, " +
			"accounting:read, feed:read, operations",
	} {
		code, out, errs := call(t, strings.Fields(line)...)
		if code != exitUsage || out != "" || errs != "ledger: "+want+"\n" {
			t.Errorf("ledger %s: exit code %d, stdout %q, stderr\n%swant\nledger: %s", line, code, out, errs, want)
		}
	}
}

// TestUsage_EmptyTexts: a variable of a script that is not set does nothing else than was meant.
func TestUsage_EmptyTexts(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--into lacks its value: it is empty; see `ledger rebuild drop --help`":    {"rebuild", "drop", "--into", ""},
		"--into lacks its value: it is empty; see `ledger rebuild verify --help`":  {"rebuild", "verify", "--into", ""},
		"--into lacks its value: it is empty; see `ledger rebuild --help`":         {"rebuild", "--as-of", "2026-10-31", "--into="},
		"--as-of lacks its value: it is empty; see `ledger order show --help`":     {"order", "show", "X", "--as-of", ""},
		"--as-of lacks its value: it is empty; see `ledger report --help`":         {"report", "balances", "--as-of", ""},
		"an argument is empty; see `ledger explain --help`":                        {"explain", ""},
		"an argument is empty; see `ledger ingest --help`":                         {"ingest", "--gateway", "decta", "a", ""},
		"--approve lacks its value: it is empty; see `ledger rebuild swap --help`": {"rebuild", "swap", "--approve", ""},
	} {
		code, out, errs := call(t, append(args, "--data-dir", t.TempDir())...)
		if code != exitUsage || out != "" || errs != "ledger: "+want+"\n" {
			t.Errorf("ledger %q: exit code %d, stdout %q, stderr\n%swant\nledger: %s", args, code, out, errs, want)
		}
	}
	if code, _, errs := call(t, "status", "--database-url", "", "--config", "", "--data-dir", t.TempDir()); code == exitUsage {
		t.Errorf("flags of which empty is the default: %s", errs)
	}
}

// TestNoViews_BesideADemo: who looks for the orders of a demo is led to them.
func TestNoViews_BesideADemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	look := func() string {
		code, _, errs := call(t, "order", "show", "X", "--data-dir", dir)
		if code != exitNotFound || !strings.Contains(errs, "there are no views in "+dir+" yet") {
			t.Errorf("exit code %d: %s", code, errs)
		}
		return errs
	}
	demo := "--data-dir " + filepath.Join(dir, "demo")
	if errs := look(); strings.Contains(errs, demo) {
		t.Errorf("there was no demo: %s", errs)
	}
	if err := os.MkdirAll(filepath.Join(dir, "demo", "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	if errs := look(); !strings.Contains(errs, demo) {
		t.Errorf("not led to the demo: %s", errs)
	}
}

// TestAudit_ClaimsWhatItLookedAt: what belongs to no order is looked at with --all alone.
func TestAudit_ClaimsWhatItLookedAt(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	c := newCLI(func(string) string { return "" }, stdio{out: &errs, err: &errs})
	if err := c.showAudit(audit.Report{Orders: 1}); err != nil || errs.String() != "1 order audited, 0 differ, 0 healed\n" {
		t.Errorf("%q, %v", errs.String(), err)
	}
	report := audit.Report{Orders: 2, Drifted: 1}
	if err := auditVerdict(app.AuditRequest{Sample: 2}, report); err.Error() != "1 differ from the log, of 2 orders" {
		t.Error(err)
	}
	if err := auditVerdict(app.AuditRequest{All: true}, report); err.Error() != "1 differ from the log, of 2 orders and what belongs to none" {
		t.Error(err)
	}
}

// TestSwitches_FromTheEnvironment: a switch says there what its flag says, false included; what is neither is refused.
func TestSwitches_FromTheEnvironment(t *testing.T) {
	t.Parallel()
	for variable, set := range map[string]func(*cli) bool{
		"LEDGER_REBUILD_IF_NEEDED": func(c *cli) bool { return c.settings.RebuildIfNeeded },
		"LEDGER_HTTP_BEHIND_PROXY": func(c *cli) bool { return c.settings.BehindProxy },
		"LEDGER_LOG_JSON":          func(c *cli) bool { return c.logJSON },
	} {
		env := func(text string) func(string) string {
			return func(name string) string {
				if name == variable {
					return text
				}
				return ""
			}
		}
		for text, want := range map[string]bool{"": false, "false": false, "0": false, "true": true, "1": true, "TRUE": true} {
			c := &cli{env: env(text)}
			c.root()
			if set(c) != want {
				t.Errorf("%s=%s: %t, want %t", variable, text, !want, want)
			}
		}
		var errs bytes.Buffer
		code := run(t.Context(), []string{"serve", "--data-dir", t.TempDir()}, env("maybe"), stdio{in: strings.NewReader(""), out: &errs, err: &errs})
		if want := "ledger: " + variable + " takes true or false, not \"maybe\"\n"; code != exitUsage || errs.String() != want {
			t.Errorf("%s=maybe: exit code %d: %s", variable, code, errs.String())
		}
	}
}
