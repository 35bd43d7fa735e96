// Package ledger keeps attempts and audit records in an SQLite file. It decides nothing.
package ledger
