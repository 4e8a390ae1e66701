// Package layout says who holds what. The ring of keys and values has 256 slots; a
// node's name spells the range of slots it holds; a layout, a numbered document by
// one author, says which incarnations of which nodes own each slot and in which
// order. Everything here is pure: it is the contract between those who decide
// about members and those who serve.
package layout

// Slots is the number of slots, one for each first byte of a hash.
const Slots = 256
