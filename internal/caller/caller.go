// Package caller is a scripted telephone: it dials, presses keys as RFC 4733
// events or SIP INFO, and recognises what it hears by ear, from the received
// audio alone. It serves star97 call, the load run and the tests.
package caller
