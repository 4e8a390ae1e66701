//go:build race

package simulation

// With the race detector all is many times slower, and there is one goroutine only.
const raced = true
