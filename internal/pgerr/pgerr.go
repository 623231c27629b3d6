// Package pgerr defines the one error type whose text and SQLSTATE reach a
// client. Everything below the front doors wraps plain errors; only the edge
// looks for an Error and turns everything else into an internal one.
package pgerr

import (
	"errors"
	"fmt"
)

// SQLSTATE codes that more than one room uses (PostgreSQL, appendix A).
const (
	SyntaxError           = "42601"
	FeatureNotSupported   = "0A000"
	UndefinedTable        = "42P01"
	UndefinedColumn       = "42703"
	UndefinedFunction     = "42883"
	UndefinedObject       = "42704"
	UndefinedParameter    = "42P02"
	DuplicateTable        = "42P07"
	DuplicateColumn       = "42701"
	DuplicateObject       = "42710"
	AmbiguousColumn       = "42702"
	AmbiguousFunction     = "42725"
	DatatypeMismatch      = "42804"
	IndeterminateDatatype = "42P18"
	CannotCoerce          = "42846"
	GroupingError         = "42803"
	WindowingError        = "42P20"
	WrongObjectType       = "42809"
	InvalidParameterValue = "22023"
	InvalidTextRep        = "22P02"
	InvalidDatetime       = "22007"
	DatetimeOverflow      = "22008"
	NumericOutOfRange     = "22003"
	DivisionByZero        = "22012"
	CardinalityViolation  = "21000"
	NotNullViolation      = "23502"
	UniqueViolation       = "23505"
	DependentObjects      = "2BP01"
	InvalidName           = "42602"
	ReservedName          = "42939"
	InvalidDefinition     = "42P16"
	ActiveTransaction     = "25001"
	InFailedTransaction   = "25P02"
	InvalidCursorName     = "34000"
	InvalidStatementName  = "26000"
	ProtocolViolation     = "08P01"
	QueryCanceled         = "57014"
	AdminShutdown         = "57P01"
	CannotConnectNow      = "57P03"
	ProgramLimitExceeded  = "54000"
	StatementTooComplex   = "54001"
	DiskFull              = "53100"
	ObjectNotInState      = "55000"
	ObjectInUse           = "55006"
	InternalError         = "XX000"
)

// Error is a failure worth explaining to the person who sent a statement.
type Error struct {
	Code   string // SQLSTATE
	Msg    string // short, lower case, no final period
	Detail string // full sentences, optional
	Hint   string // what to do next, optional
	Where  string // what was being done, outermost last, optional: COPY t, line 3
	Pos    int    // 1-based byte offset into the statement's text; 0 if unknown
}

func (e *Error) Error() string { return e.Msg }

// Newf returns an Error with the given SQLSTATE.
func Newf(code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// At sets the place in the statement from a 0-based byte offset; a negative
// offset means that it is not known. It returns e.
func (e *Error) At(offset int) *Error {
	e.Pos = max(0, offset+1)
	return e
}

// Detailf sets the detail and returns e.
func (e *Error) Detailf(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// Hintf sets the hint and returns e.
func (e *Error) Hintf(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// From returns the Error inside err, or an internal error (XX000) that hides
// err's text from the client; the caller logs err.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: InternalError, Msg: "internal error", Hint: "The server's log has the details."}
}
