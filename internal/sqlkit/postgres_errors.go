package sqlkit

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The kinds of trouble that only a server can have.
var (
	ErrUnreachable = errors.New("not reachable")
	ErrUntrusted   = errors.New("certificate not trusted")
	ErrRefused     = errors.New("refused")
	ErrBusy        = errors.New("no connection free")
)

var serverSentences = map[error]string{
	ErrLocked:      "the database %s kept star97 waiting for a lock of another program or node: end what holds it, or raise lock_timeout",
	ErrDamaged:     "the database %s is damaged: stop star97 and restore it from a backup",
	ErrReadOnly:    "the database %s cannot be written to, its server is a standby or set to read only: let host name the primary",
	ErrAltered:     "the database %s lacks a table or column that star97 has made, so another program altered it: stop star97 and restore it from a backup",
	ErrFull:        "the database %s cannot grow, its server's disk is full: free some space there",
	ErrIO:          "the database %s could not be read or written: look for disk errors in the server's log",
	ErrUnreachable: "the database %s does not answer: see that PostgreSQL runs there, and that host, port and firewall let star97 reach it",
	ErrUntrusted:   "the certificate of the server of database %s proves nothing: let tls.ca_file name its authority and tls.server_name its name",
	ErrRefused:     "the database %s refuses star97: check user, password and the name of the database, the rights of the user, which must own the database, and pg_hba.conf",
	ErrBusy:        "the database %s has no connection free for star97: raise connections, or max_connections of the server",
}

// serverKinds maps SQLSTATEs, PostgreSQL's documentation appendix A.
var serverKinds = map[string]error{
	"55P03": ErrLocked,
	"XX001": ErrDamaged, "XX002": ErrDamaged,
	"25006": ErrReadOnly,
	"42P01": ErrAltered, "42703": ErrAltered,
	"53100": ErrFull,
	"58030": ErrIO,
	"53300": ErrBusy,
	"57P01": ErrUnreachable, "57P02": ErrUnreachable, "57P03": ErrUnreachable, "57P05": ErrUnreachable,
	"25P03": ErrUnreachable,
	"28000": ErrRefused, "28P01": ErrRefused, "3D000": ErrRefused, "42501": ErrRefused,
}

// classConnection is the class of SQLSTATEs that tell of a lost connection.
const classConnection = "08"

func (s *server) trouble(kind, cause error) error {
	return &Error{Kind: kind, Path: s.place, Cause: cause, sentences: serverSentences}
}

// explain wraps what has a sentence; what the caller brought about passes as it is.
func (s *server) explain(err error) error {
	var told *Error
	if err == nil || errors.As(err, &told) {
		return err
	}
	if kind := kindOf(err); kind != nil {
		return s.trouble(kind, err)
	}
	var word *pgconn.PgError
	if errors.As(err, &word) {
		return fmt.Errorf("database %s: %w", s.place, err)
	}
	return err
}

// kindOf is nil for an error without a sentence.
func kindOf(err error) error {
	var word *pgconn.PgError
	var certificate *tls.CertificateVerificationError
	var unconnected *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &word) && word.Code[:2] == classConnection:
		return ErrUnreachable
	case errors.As(err, &word):
		return serverKinds[word.Code]
	case errors.Is(err, errStandby):
		return ErrReadOnly
	case errors.As(err, &certificate):
		return ErrUntrusted
	case errors.As(err, &unconnected), errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed):
		return ErrUnreachable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrUnreachable
	}
	return nil
}

// isConflict tells that the server has undone a transaction for the sake of another.
func isConflict(err error) bool {
	var word *pgconn.PgError
	return errors.As(err, &word) && (word.Code == "40001" || word.Code == "40P01") // serialization_failure, deadlock_detected
}

// isServersUndone tells of a failed commit that the server itself has said so. A
// connection that ends instead of an answer says nothing: it may have been committed.
func isServersUndone(err error) bool {
	var word *pgconn.PgError
	return errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &word) && word.SeverityUnlocalized == "ERROR"
}

// uniqueViolation is the SQLSTATE of a row that breaks a UNIQUE or PRIMARY KEY rule.
const uniqueViolation = "23505"

func isServersUnique(err error) bool {
	var word *pgconn.PgError
	return errors.As(err, &word) && word.Code == uniqueViolation
}
