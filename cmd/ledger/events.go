package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/schemas"
)

func (c *cli) events() *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "What the events of the log say"}
	var html bool
	catalogue := &cobra.Command{
		Example: `  ledger events catalogue
  ledger events catalogue --html > events.html`,
		Use:   "catalogue",
		Short: "Every event: name, meaning, fields, effect on money, example, versions",
		Long: "The catalogue comes from the JSON Schemas that GET /schemas/ serves. As a table it shows names and effects;\n" +
			"--json and --html show everything.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if html && c.json {
				return &exitError{code: exitUsage, err: errors.New("--html and --json exclude each other")}
			}
			events, err := schemas.Catalogue()
			switch {
			case err != nil:
				return err
			case c.json:
				return c.printJSON(events)
			case html:
				return schemas.WriteHTML(c.io.out, events)
			}
			t := c.newTable("event", "versions", "effect on money")
			for _, e := range events {
				versions := make([]string, len(e.Versions))
				for i, v := range e.Versions {
					versions[i] = strconv.Itoa(v)
				}
				t.AppendRow([]any{e.Name, strings.Join(versions, ", "), e.MoneyEffect})
			}
			t.Render()
			return nil
		},
	}
	catalogue.Flags().BoolVar(&html, "html", false, "write one HTML page")
	cmd.AddCommand(catalogue)
	return cmd
}
