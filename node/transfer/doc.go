// Package transfer copies entries and values to a member that joins (docs/replication.md,
// "Joining"). The other side of it is node/peers, what is done with the entries is
// node/replica's.
//
// A Slot copies one slot. It is a plain sequence of steps, each of which asks one other
// member one question at most; it starts no goroutines, knows no clock and keeps nothing
// outside itself, so a simulation runs the very code that a node does. A Copier runs the
// Slots of a node: a few at a time, again and again until all is here.
//
// # What makes a copy complete
//
// While the member is joining, it copies without any promise: whatever it brings along
// need not be copied later. Once it is attached, it takes part in all writes of its
// slots, and everything is looked at again in a view that it is part of: entries from
// the slot's active primary, values from any owner that serves, as all of these have
// everything. What a page says holds for the view that it was read in: every request
// carries an epoch in which the slot has this view, an owner answers only if the slot
// has no newer one, and the machine takes a page only in the view that the copy was
// opened in. In any other view the slot is begun anew.
package transfer
