package money

import (
	"embed"
	"io/fs"
)

//go:embed currency.go currency_table.go errors.go json.go money.go parse.go
var source embed.FS

// Source is the source of what reads, adds and writes amounts. Projections take a fingerprint of it,
// with that of the fold: see order.FoldSource.
func Source() fs.FS { return source }
