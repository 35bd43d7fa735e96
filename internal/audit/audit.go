// Package audit is a mailbox.Store that wraps another and writes one record per decision. No field of a record can carry a code.
package audit
