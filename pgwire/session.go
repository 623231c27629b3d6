package pgwire

import (
	"context"
	"net"

	"github.com/weirdb/weir/internal/vec"
)

// Backend is the database, as far as a connection needs it. It is called from
// many goroutines.
type Backend interface {
	// Verifier returns how user's password is checked, in the text form of
	// PostgreSQL's pg_authid.rolpassword (see NewVerifier); "" if there is no
	// such user or it has no password.
	Verifier(ctx context.Context, user string) (string, error)
	// Connect opens the session of a client that has proved to be s.User. The
	// session may keep c. Unknown databases, roles and settings are refused
	// with an error here.
	Connect(ctx context.Context, s Startup, c *Client) (Session, error)
}

// Startup is what a client said about itself.
type Startup struct {
	PID      uint32 // stands for the connection in pg_stat_activity and cancel requests
	User     string
	Database string    // the user's name if the client gave none
	Settings []Setting // of the packet, then of its options (-c name=value), in order
	Remote   net.Addr
	TLS      bool
}

// Setting is a configuration parameter to be set for the session.
type Setting struct{ Name, Value string }

// Session is one connection's view of the database. All calls come from the
// connection's goroutine, one at a time.
type Session interface {
	// Parse splits a message into its statements. Positions of errors, here
	// and below, are byte offsets into sql.
	Parse(sql string) ([]Statement, error)
	// Prepare analyses a statement. params are the types that the client
	// wants for $1, $2, ..., 0 where it leaves the choice; there may be fewer
	// or more of them than parameters.
	Prepare(ctx context.Context, st Statement, params []uint32) (Prepared, error)
	// Execute starts a statement. Outside of a transaction block it belongs
	// to the session's implicit transaction, which goes on until Commit or
	// Fail. A push query returns once its start position is fixed.
	Execute(ctx context.Context, p Prepared, args Args) (Result, error)
	// Commit ends the implicit transaction. In a transaction block, or where
	// nothing was done, it does nothing. After an error nothing has happened.
	Commit(ctx context.Context) error
	// Fail tells that a statement went wrong, in the session or in the door:
	// a transaction block is failed from now on (TxStatus 'E'), an implicit
	// transaction is rolled back.
	Fail()
	// TxStatus returns 'I' outside of a transaction block, 'T' in one, 'E' in
	// a failed one.
	TxStatus() byte
	// Setting returns a configuration parameter as SHOW would, "" if unknown.
	// The door asks for application_name, weir.push_format and
	// weir.fetch_linger.
	Setting(name string) string
	// TextFormat returns how values are written now; it is not kept.
	TextFormat() *vec.TextFormat
	// Close ends the session; an open transaction is rolled back.
	Close()
}

// Statement is one parsed statement. Only its session looks inside.
type Statement interface {
	// EndsTransaction tells whether a failed transaction block accepts the
	// statement: COMMIT, ROLLBACK, ROLLBACK TO and their other names.
	EndsTransaction() bool
}

// Prepared is an analysed statement. It is not changed by its use, may be
// executed any number of times, and needs no closing.
type Prepared interface {
	// Params returns the types of $1, $2, ...
	Params() []vec.Type
	// Columns returns the shape of the rows that a client sees; nil if the
	// statement has none, also for COPY.
	Columns() []Column
	// Push tells that rows come as they arise, perhaps for ever: each batch
	// is flushed.
	Push() bool
	// Copy returns how a COPY statement moves its rows; nil for any other.
	Copy() *Copy
}

// Column describes a column of a result.
type Column struct {
	Name  string
	Type  vec.Type
	Table uint32 // OID of the relation it is taken from, 0 if computed
	Attr  int16  // its number there
}

// Args is what a statement is executed with.
type Args struct {
	Params []vec.Value // one for each of Prepared.Params, of its type or nil
	// From yields what a client sends for COPY ... FROM STDIN, in the types
	// of Copy.Columns; nil otherwise. Execute reads it to its end (io.EOF)
	// from its own goroutine. Another error of From is returned as it is.
	From Rows
}

// Rows is a sequence of batches.
type Rows interface {
	// Next returns the next rows, or io.EOF. The batch and its columns are
	// valid until Next or Close is called. If ctx ends Next returns its error
	// and loses no row: it may be called again.
	Next(ctx context.Context) (*vec.Batch, error)
}

// Result is a statement under execution. Its columns are those of Prepared (or
// of Copy), its rows are sent in order, whatever their op; a statement without
// rows returns io.EOF when it is done. Timeouts of statements are the session's.
type Result interface {
	Rows
	// Tag returns the command tag. It is asked for after Next returned io.EOF;
	// sent is the number of rows that the client got since it asked for rows
	// last: "SELECT 3", "FETCH 3", but "SHOW".
	Tag(sent int64) string
	// Close frees what the result holds. It is called once, at any time.
	Close()
}

// CopyFormat is how COPY writes rows.
type CopyFormat uint8

const (
	CopyText CopyFormat = iota
	CopyCSV
	CopyBinary
)

// Copy is what a COPY statement says about its data. Zero values stand for
// PostgreSQL's defaults.
type Copy struct {
	In      bool // FROM STDIN; else TO STDOUT
	Format  CopyFormat
	Columns []Column
	Table   string  // for the context of errors
	Header  bool    // a first line with names: written, or skipped
	Null    *string // how NULL is written
	Delim   byte
	Quote   byte // CSV
	Escape  byte // CSV
}

func (c Copy) withDefaults() Copy {
	csv := c.Format == CopyCSV
	if c.Null == nil {
		null := `\N`
		if csv {
			null = ""
		}
		c.Null = &null
	}
	if c.Delim == 0 {
		c.Delim = '\t'
		if csv {
			c.Delim = ','
		}
	}
	if c.Quote == 0 {
		c.Quote = '"'
	}
	if c.Escape == 0 {
		c.Escape = c.Quote
	}
	return c
}
