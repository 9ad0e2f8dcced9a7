package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
)

// TestVisible: whatever a gateway makes a text of, a terminal prints it and obeys nothing of it, and JSON means the same.
func TestVisible(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;pwn\a\x1b[2Jowned\u202e\u009b31m\x7f\r\x9b0m"
	const shown = `\u001b]0;pwn\u0007\u001b[2Jowned\u202e\u009b31m\u007f\u000d` + "\ufffd0m"
	for name, print := range map[string]func(*cli) error{
		"Say":  func(c *cli) error { c.say("it is %s", evil); return nil },
		"JSON": func(c *cli) error { return c.printJSON(map[string]string{"status": evil}) },
		"Line": func(c *cli) error { return c.writeLine(map[string]string{"status": evil}) },
		"Table": func(c *cli) error {
			row := c.newTable("status", "of")
			row.AppendRow(table.Row{evil, "order"})
			row.AppendRows([]table.Row{{"é\tä", evil}})
			row.Render()
			return nil
		},
		"Log":     func(c *cli) error { c.logger(slog.LevelInfo).Info(evil, slog.String(evil, evil)); return nil },
		"JSONLog": func(c *cli) error { c.logJSON = true; c.logger(slog.LevelInfo).Info(evil); return nil },
	} {
		var out bytes.Buffer
		c := newCLI(func(string) string { return "" }, stdio{out: &out, err: &out})
		if err := print(c); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if strings.ContainsFunc(text, func(r rune) bool {
			return r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u202e')
		}) ||
			!strings.Contains(text, "owned") {
			t.Errorf("%s: %q", name, text)
		}
		switch name {
		case "Say":
			if text != "it is "+shown+"\n" {
				t.Errorf("said: %q", text)
			}
		case "JSON", "Line":
			var said map[string]string
			if err := json.Unmarshal(out.Bytes(), &said); err != nil || said["status"] != strings.ToValidUTF8(evil, "\ufffd") {
				t.Errorf("%s: %q, %v", name, said, err)
			}
		case "Table": // as wide as what is shown
			lines := strings.Split(strings.TrimSpace(text), "\n")
			for _, line := range lines {
				if !strings.Contains(line, "\t") && len([]rune(line)) != len([]rune(lines[0])) {
					t.Errorf("the table is not straight:\n%s", text)
				}
			}
		}
	}
}
