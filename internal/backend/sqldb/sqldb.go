// Package sqldb is the backend on a SQL database: mailboxes, codes at rest and the change as one transaction.
package sqldb
