// Package sim lets the whole program run in a bubble of testing/synctest: time is
// the bubble's, the network and its faults are in memory, the callers are telephones
// that wander through the menus, the store is real behind faults. Each round comes
// from one number, its seed, and ends with the promises of the service being looked
// at one by one. It opens no socket, and speaks UDP only.
//
// One seed makes the same callers meet the same faults. What is left to chance is
// what Go leaves to it: which of two things that are ready at the same instant
// goes first.
package sim
