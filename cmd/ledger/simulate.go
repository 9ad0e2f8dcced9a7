package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
)

func (c *cli) simulate() *cobra.Command {
	var options simulate.Options
	var dir string
	cmd := &cobra.Command{
		Example: `  ledger simulate --orders 5000 --seed 7 --out simulated
  ledger ingest --gateway decta simulated/decta.ndjson`,
		Use:   "simulate --orders N --seed S --out DIR",
		Short: "Write notifications of simulated orders, and what they end in",
		Long: `simulate writes realistic notifications, with duplicates, reordering and late
arrivals, to decta.ndjson, everifin.ndjson and connectpay.ndjson in DIR, and the
true final figures of every order to expected.ndjson (those of ledger.orders)
and expected-other.ndjson (test orders and payouts). The same seed makes the
same bytes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return &exitError{code: exitUsage, err: errors.New("--out names the folder to write to")}
			}
			if options.Orders <= 0 {
				return &exitError{code: exitUsage, err: errors.New("--orders is a number above 0")}
			}
			const width = 48
			bar := c.newBar(cmd.Context(), mpb.BarStyle(), width, int64(options.Orders),
				mpb.PrependDecorators(decor.Name("orders  "), decor.CountersNoUnit("%d / %d")), mpb.AppendDecorators(decor.Percentage()))
			defer bar.end()
			return simulate.WriteFiles(cmd.Context(), options, dir, func(done int) { bar.set(int64(done)) })
		},
	}
	cmd.Flags().IntVar(&options.Orders, "orders", 0, "how many orders")
	cmd.Flags().Uint64Var(&options.Seed, "seed", 1, "which orders")
	cmd.Flags().StringVar(&dir, "out", "", "folder to write to")
	return cmd
}
