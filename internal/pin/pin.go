// Package pin holds an access code so that it cannot leak: the secret type, the
// entry buffer, the policy rules and their presets, and the generator. It does
// no I/O, logs nothing and knows nothing of mailboxes or telephones.
package pin

// MaxDigits is the longest code that any supported system accepts.
const MaxDigits = 30
