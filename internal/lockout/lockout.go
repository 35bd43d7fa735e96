// Package lockout is a mailbox.Store that wraps another and counts wrong codes per call and per mailbox. It keeps nothing itself: the ledger it needs is an interface it declares.
package lockout
