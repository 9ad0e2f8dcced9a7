package money

import (
	"errors"
	"math/big"
	"slices"

	"github.com/shopspring/decimal"
)

// ErrInvalidWeights says that an amount cannot be split: no weight, a negative one, or all zero.
var ErrInvalidWeights = errors.New("weights must be zero or more, and not all zero")

// Allocate splits total in proportion to the weights by the method of the largest remainder: each
// part gets its share rounded towards zero to the currency's minor unit, and the minor units that
// are left go one each to the parts that lost most by that, the earlier first among equals. The
// parts sum to total exactly. A part of weight zero is zero; a negative total is split like its
// magnitude. The only error is [ErrInvalidWeights].
func Allocate(total Money, weights []int64) ([]Money, error) {
	sum := new(big.Int)
	for _, weight := range weights {
		if weight < 0 {
			return nil, ErrInvalidWeights
		}
		sum.Add(sum, big.NewInt(weight))
	}
	if sum.Sign() == 0 {
		return nil, ErrInvalidWeights
	}

	whole := total.Amount().Coefficient()
	whole.Abs(whole)
	left := new(big.Int).Set(whole)
	units := make([]*big.Int, len(weights))
	remainders := make([]*big.Int, len(weights))
	byRemainder := make([]int, len(weights))
	for i, weight := range weights {
		share := new(big.Int).Mul(whole, big.NewInt(weight))
		units[i], remainders[i] = share.QuoRem(share, sum, new(big.Int))
		left.Sub(left, units[i])
		byRemainder[i] = i
	}
	slices.SortStableFunc(byRemainder, func(a, b int) int {
		return remainders[b].Cmp(remainders[a])
	})
	// What is left is the sum of the remainders divided by the sum of the weights: less than the
	// number of parts with a remainder, so one round is enough.
	for _, i := range byRemainder[:left.Int64()] {
		units[i].Add(units[i], big.NewInt(1))
	}

	parts := make([]Money, len(weights))
	for i := range parts {
		if total.IsNegative() {
			units[i].Neg(units[i])
		}
		parts[i] = exactly(decimal.NewFromBigInt(units[i], -total.currency.MinorUnits()), total.currency)
	}
	return parts, nil
}

// Split divides total into n parts that differ by at most one minor unit, the greater first.
// The only error is [ErrInvalidWeights], when n is not positive.
func Split(total Money, n int) ([]Money, error) {
	if n <= 0 {
		return nil, ErrInvalidWeights
	}
	return Allocate(total, slices.Repeat([]int64{1}, n))
}
