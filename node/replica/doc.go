// Package replica keeps the order of entries. Each slot has one primary, which gives
// each operation on a key its version and replicates it to the slot's other owners
// before it is applied, seen or acknowledged (I2); the others, its backups, store what
// they are sent. What one slot does is in order.go and backup.go, without locks,
// clocks or network; replica.go drives it.
package replica
