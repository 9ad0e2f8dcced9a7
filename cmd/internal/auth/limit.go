package auth

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// limitersMax bounds the memory: principals that were seen last.
const limitersMax = 10_000

// Limits bounds how often each principal may call. It is safe for use by many goroutines.
type Limits struct {
	perSecond rate.Limit
	burst     int
	known     *lru.Cache[string, *rate.Limiter]
}

// NewLimits allows perSecond calls a second to each principal, and burst at once.
func NewLimits(perSecond float64, burst int) *Limits {
	known, err := lru.New[string, *rate.Limiter](limitersMax)
	if err != nil { // only a size below one can be refused
		panic(err)
	}
	return &Limits{perSecond: rate.Limit(perSecond), burst: burst, known: known}
}

// Allow tells whether a principal may call now, and otherwise when to ask again.
func (l *Limits) Allow(principal string, now time.Time) (wait time.Duration, ok bool) {
	limiter, found := l.known.Get(principal)
	if !found {
		fresh := rate.NewLimiter(l.perSecond, l.burst)
		if limiter, found, _ = l.known.PeekOrAdd(principal, fresh); !found {
			limiter = fresh
		}
	}
	if limiter.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - limiter.TokensAt(now)
	return time.Duration(missing / float64(l.perSecond) * float64(time.Second)), false
}
