package rebuild

import "github.com/jackc/pgx/v5"

// background has everything else preferred to what PostgreSQL does for a connection, once the rebuild gives way. Its pauses
// leave the processors to others most of the time; this leaves them at once to whoever wants them during its pieces.
//
// It is not taken back when no events come any more: an ordinary user may not, and where nobody else wants the processors it
// makes no difference.
func (e *Engine) background(conn *pgx.Conn) {
	if e.cfg.Background != nil && e.pace.givesWay() {
		e.cfg.Background(conn)
	}
}
