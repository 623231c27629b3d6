package pgwire

import (
	"context"
	"fmt"

	"github.com/weirdb/weir/internal/pgerr"
)

var errFailedBlock = pgerr.Newf(pgerr.InFailedTransaction,
	"current transaction is aborted, commands ignored until end of transaction block")

// query answers a Query message: its statements are one implicit transaction,
// unless they say otherwise, and an error drops the rest. The error returned ends
// the connection.
func (c *conn) query(ctx context.Context, body []byte) error {
	if len(body) == 0 || body[len(body)-1] != 0 {
		return fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid string in message")}
	}
	sql := string(body[:len(body)-1])
	delete(c.statements, "")
	c.closePortal("")
	ctx = c.begin(ctx)
	if err := c.statementsOf(ctx, sql); err != nil {
		if err := c.report(place(sql, c.cancelled(ctx, err))); err != nil {
			return err
		}
	}
	if c.sess.TxStatus() == 'I' {
		c.closePortals()
	}
	c.ready()
	return nil
}

func (c *conn) statementsOf(ctx context.Context, sql string) error {
	if err := validText(sql); err != nil {
		return err
	}
	list, err := c.sess.Parse(sql)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		c.out.empty('I')
		return nil
	}
	for i, st := range list {
		if err := c.simple(ctx, st, i == len(list)-1); err != nil {
			return err
		}
	}
	return nil
}

// simple runs one statement of a Query message. The last one's answer is complete
// only after the commit.
func (c *conn) simple(ctx context.Context, st Statement, last bool) error {
	if c.sess.TxStatus() == 'E' && !st.EndsTransaction() {
		return errFailedBlock
	}
	prep, err := c.prepare(ctx, st, nil)
	if err != nil {
		return err
	}
	if len(prep.Params()) > 0 {
		return pgerr.Newf(pgerr.UndefinedParameter, "there is no parameter $1")
	}
	cols := prep.Columns()
	p := &portal{c: c, st: &statement{prep: prep}, formats: make([]int16, len(cols))}
	defer p.close()
	if cols != nil && prep.Push() && c.pushAsCopy() {
		p.copy = &Copy{Columns: cols, Header: true}
	} else if cols != nil {
		p.describe = true
	}
	tag, _, err := c.run(ctx, p, 0)
	if err != nil {
		return err
	}
	if last {
		if err := c.sess.Commit(ctx); err != nil {
			return err
		}
	}
	c.client.drainNotices(&c.out)
	c.out.commandComplete(tag)
	return nil
}

// pushAsCopy tells whether the rows of a push query go out as COPY data. psql
// keeps all rows of a SELECT back until the end, but shows COPY data as it comes.
func (c *conn) pushAsCopy() bool {
	switch c.sess.Setting("weir.push_format") {
	case "rows":
		return false
	case "copy":
		return true
	}
	return c.sess.Setting("application_name") == "psql"
}

func copyTag(n int64) string { return fmt.Sprintf("COPY %d", n) }
