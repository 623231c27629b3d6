package pgwire

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// Client is what a session may tell its client beside results, and where it finds
// what the protocol has made under names that SQL can say too.
//
// Any goroutine may call Notice, Parameter and Notify. Nothing is written at once:
// notices go out before the next answer, changed parameters and notifications
// before the next ReadyForQuery, or now if the client is idle. The other methods
// are for the session while one of its own methods runs.
type Client struct {
	conn *conn

	mu      sync.Mutex
	idle    bool // the connection waits for a message outside of a transaction block
	woken   bool // and was told to look here
	notices []*pgproto3.NoticeResponse
	params  []parameter
	events  []*pgproto3.NotificationResponse
}

type parameter struct{ name, value, sent string }

// unsent is what a parameter was before the client heard of it: no value holds NUL.
const unsent = "\x00"

// maxPending bounds what is kept for a client that does not ask for it. Notices
// and notifications beyond it are dropped, the oldest last.
const maxPending = 1000

// startParameters are reported to every client, in PostgreSQL's order. Sessions
// change the values and add names.
func startParameters(user, version string) []parameter {
	params := []parameter{
		{name: "application_name"},
		{name: "client_encoding", value: "UTF8"},
		{name: "DateStyle", value: "ISO, MDY"},
		{name: "default_transaction_read_only", value: "off"},
		{name: "in_hot_standby", value: "off"},
		{name: "integer_datetimes", value: "on"},
		{name: "IntervalStyle", value: "postgres"},
		{name: "is_superuser", value: "on"},
		{name: "server_encoding", value: "UTF8"},
		{name: "server_version", value: version},
		{name: "session_authorization", value: user},
		{name: "standard_conforming_strings", value: "on"},
		{name: "TimeZone", value: "Etc/UTC"},
		{name: "search_path", value: `"$user", public`},
	}
	for i := range params {
		params[i].sent = unsent
	}
	return params
}

// Notice sends a message that is no error. severity is WARNING, NOTICE, INFO, LOG or DEBUG.
func (c *Client) Notice(severity string, e *pgerr.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notices) < maxPending {
		c.notices = append(c.notices, (*pgproto3.NoticeResponse)(errorFields(severity, e, e.Pos)))
	}
}

// Parameter reports the value of a configuration parameter. Only a value that
// differs from what the client knows by the next ReadyForQuery is sent.
func (c *Client) Parameter(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.params, func(p parameter) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		c.params = append(c.params, parameter{name: name, sent: unsent})
		i = len(c.params) - 1
	}
	c.params[i].value = value
	c.wake()
}

// Notify delivers a notification (LISTEN) from connection pid.
func (c *Client) Notify(pid uint32, channel, payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) < maxPending {
		c.events = append(c.events, &pgproto3.NotificationResponse{PID: pid, Channel: channel, Payload: payload})
	}
	c.wake()
}

// wake makes an idle connection look at what is pending.
func (c *Client) wake() {
	if c.idle && !c.woken {
		c.woken = true
		c.conn.in.deadline(past)
	}
}

// Deallocate forgets a prepared statement of the protocol, and tells whether there
// was one: DEALLOCATE means these too.
func (c *Client) Deallocate(name string) bool {
	_, ok := c.conn.statements[name]
	delete(c.conn.statements, name)
	return ok
}

// DeallocateAll forgets all prepared statements, as DEALLOCATE ALL and DISCARD ALL do.
func (c *Client) DeallocateAll() { clear(c.conn.statements) }

// ClosePortal closes a portal and tells whether there was one: for CLOSE.
func (c *Client) ClosePortal(name string) bool {
	_, ok := c.conn.portals[name]
	c.conn.closePortal(name)
	return ok
}

// Portal returns the rows that are left in a portal of the protocol, for FETCH:
// cursors and portals share their names. If the portal has not started yet, its
// first Take executes it, that is, it calls the session.
func (c *Client) Portal(name string) (Portal, bool) {
	p, ok := c.conn.portals[name]
	if !ok || p.st.prep == nil || p.st.prep.Columns() == nil {
		return nil, false
	}
	return p, true
}

// Portal is a bound and perhaps half-read statement with rows.
type Portal interface {
	Columns() []Column
	// Take returns up to limit of the rows that are left, or io.EOF. The batch is
	// valid until the portal is used again.
	Take(ctx context.Context, limit int) (*vec.Batch, error)
}

// setIdle tells whether the connection waits, and after it did whether it was woken.
func (c *Client) setIdle(idle bool) (woken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = idle
	if idle && c.pending() {
		c.wake()
	}
	if !idle {
		woken, c.woken = c.woken, false
	}
	return woken
}

func (c *Client) pending() bool {
	return len(c.events) > 0 || slices.ContainsFunc(c.params, func(p parameter) bool { return p.value != p.sent })
}

// drainNotices writes pending notices.
func (c *Client) drainNotices(w *writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.notices {
		w.send(n)
	}
	c.notices = c.notices[:0]
}

// drain writes what is pending: notices, changed parameters, and outside of a
// transaction block notifications.
func (c *Client) drain(w *writer) {
	c.drainNotices(w)
	events := c.conn.sess.TxStatus() == 'I'
	c.mu.Lock()
	defer c.mu.Unlock()
	if events {
		for _, n := range c.events {
			w.send(n)
		}
		c.events = nil
	}
	for i := range c.params {
		if p := &c.params[i]; p.value != p.sent {
			w.send(&pgproto3.ParameterStatus{Name: p.name, Value: p.value})
			p.sent = p.value
		}
	}
}

var _ Portal = (*portal)(nil)

// Columns returns the columns of the portal's rows.
func (p *portal) Columns() []Column { return p.st.prep.Columns() }

// Take implements Portal.
func (p *portal) Take(ctx context.Context, limit int) (*vec.Batch, error) {
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	if err := p.more(ctx); err != nil {
		if !errors.Is(err, io.EOF) {
			p.done = true
		}
		return nil, err
	}
	n := min(limit, p.batch.Len()-p.at)
	b := *p.batch
	b.Sel = p.batch.Selected()[p.at : p.at+n]
	p.at += n
	return &b, nil
}
