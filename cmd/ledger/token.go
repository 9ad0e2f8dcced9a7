package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

func (c *cli) token() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke tokens of the order API",
		Long: `Tokens are kept as digests under the data directory. What is made or revoked
counts at once, also for a ledger that is running.`,
	}
	scopes := make([]string, 0, len(auth.Scopes()))
	for _, s := range auth.Scopes() {
		scopes = append(scopes, string(s))
	}
	var allowed string
	create := &cobra.Command{
		Example: `  ledger token create shop --scopes orders:write,orders:read
  ledger token create kim --scopes operations`,
		Use: "create NAME", Short: "Make a token and print it, once", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			granted, err := auth.ParseScopes(allowed)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			secret, t, err := c.tokens().Create(args[0], granted, time.Now())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]any{"id": t.ID, "name": t.Name, "scopes": t.Scopes, "token": secret})
			}
			_, err = fmt.Fprintln(c.io.out, secret)
			return err
		},
	}
	create.Flags().StringVar(&allowed, "scopes", "orders:write,orders:read", "what the token allows: "+strings.Join(scopes, ", "))
	list := &cobra.Command{
		Use: "list", Short: "List tokens", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			tokens, err := c.tokens().List()
			if err != nil || c.json {
				return errors.Join(err, c.printJSON(tokens))
			}
			t := c.newTable("id", "name", "scopes", "made", "revoked")
			for _, k := range tokens {
				revoked := ""
				if k.RevokedAt != nil {
					revoked = k.RevokedAt.Format(time.RFC3339)
				}
				t.AppendRow(table.Row{k.ID, k.Name, fmt.Sprint(k.Scopes), k.CreatedAt.Format(time.RFC3339), revoked})
			}
			t.Render()
			return nil
		},
	}
	revoke := &cobra.Command{
		Example: `  ledger token revoke TOKEN-ID`,
		Use:     "revoke ID", Short: "Make a token useless, for good", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := c.tokens().Revoke(args[0], time.Now())
			if errors.Is(err, auth.ErrNoToken) {
				return &exitError{code: exitNotFound, err: err}
			}
			return err
		},
	}
	cmd.AddCommand(create, list, revoke)
	return cmd
}

func (c *cli) tokens() *auth.Store { return auth.NewStore(c.settings.TokensDir()) }
