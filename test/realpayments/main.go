// Command realpayments turns a table of real payments into notifications of a
// gateway, so that sums that were computed elsewhere can be compared with what
// the ledger's views say, to the cent.
//
//	go run ./test/realpayments --in payments.csv --gateway connectpay --out DIR
//
// The table has a header and the columns order_id, payment_sequential,
// payment_type, payment_installments and payment_value, in BRL, as in the
// public Olist dataset. ConnectPay gets one Approved payment per line with
// merchant.generic1 = order_id; Everifin gets a BOOKED hook per line and the
// answer to a GET of each order. DIR gets GATEWAY.ndjson, one body per line,
// and expected.ndjson, one order per line.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "realpayments:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("realpayments", flag.ContinueOnError)
	flags.SetOutput(stderr)
	in := flags.String("in", "", "table of payments (CSV)")
	gateway := flags.String("gateway", gatewayConnectPay, "connectpay or everifin")
	out := flags.String("out", "", "folder to write to")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the command line: %w", err)
	}
	if *in == "" || *out == "" {
		return errors.New("--in names the table, --out the folder to write to")
	}
	write, ok := gateways()[*gateway]
	if !ok {
		return fmt.Errorf("--gateway %q: want connectpay or everifin", *gateway)
	}
	file, err := os.Open(*in)
	if err != nil {
		return fmt.Errorf("open the table: %w", err)
	}
	defer func() { _ = file.Close() }() // it is only read
	orders, err := readOrders(bufio.NewReader(file))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o750); err != nil {
		return fmt.Errorf("make the folder to write to: %w", err)
	}
	if err := writeFile(filepath.Join(*out, *gateway+".ndjson"), orders, write); err != nil {
		return err
	}
	return writeFile(filepath.Join(*out, "expected.ndjson"), orders, writeExpected)
}

// writeFile writes what each order becomes.
func writeFile(name string, orders []*paidOrder, write func(io.Writer, *paidOrder) error) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("create a file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffer := bufio.NewWriter(file)
	for _, o := range orders {
		if err := write(buffer, o); err != nil {
			return fmt.Errorf("write order %s: %w", o.id, err)
		}
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
