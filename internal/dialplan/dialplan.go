// Package dialplan reads a site's numbers, doors, keys, lengths and timers from
// YAML, validates them and answers which route a dialled number takes. It knows
// no SIP message and no state machine.
package dialplan
