// Package pgwire is the front door that speaks PostgreSQL's protocol, version
// 3.0: start-up, TLS, SCRAM, the simple and the extended query protocol,
// portals, COPY, and cancel requests. It frames and checks what comes in and
// encodes columns of values into what goes out.
//
// It knows nothing of SQL: what a statement means is the affair of a Backend,
// and the door asks it through the interfaces in session.go. The line between
// the two is this. The door owns what the protocol has names for: messages,
// prepared statements and portals, row limits and suspension, formats, when an
// implicit transaction ends (at Sync, or with the Query message), which
// messages are skipped after an error, and that a failed block takes nothing but
// its end. The session owns what SQL has names for: the transaction itself and
// its status, cursors, settings, and what each statement does.
//
// Rows arrive as batches of columns and are written straight into one buffer per
// connection, without a message value or an allocation per row. That buffer is
// the only queue: a client that does not read holds its own query back and
// nobody else's.
//
// One goroutine serves a connection. A second one exists only while a statement
// that returns rows has been running for some time: it watches the socket, so
// that the end of the client ends an endless query.
//
// Messages are specified in PostgreSQL's manual, chapter "Frontend/Backend
// Protocol"; what the manual leaves open follows what PostgreSQL 15 does.
package pgwire
